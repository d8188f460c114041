//! Every member of every family: the one place that knows them all. Who reads a configuration is handed this list.

use tidegate_config::Families;
use tidegate_core::shelf::Shelf;

use crate::tls;

/// What a configuration may name.
pub(crate) const ALL: Families<'static> = Families {
    policies: tidegate_policies::ALL,
    authenticators: tidegate_policies::auth::ALL,
    balancers: tidegate_upstreams::balancers::ALL,
    tls: &tls::Strict,
    shelf: None,
};

/// The same for a gateway that serves what it reads.
pub(crate) fn with(shelf: &Shelf) -> Families<'_> {
    Families { shelf: Some(shelf), ..ALL }
}

/// The same for one that starts with what is there.
pub(crate) fn at_start(shelf: &Shelf) -> Families<'_> {
    Families { tls: &tls::AtStart, ..with(shelf) }
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use std::collections::HashSet;
    use tidegate_core::balance::Build;
    use tidegate_core::settings::{Declaration, Shape};

    /// Every group of keys in a shape.
    fn groups(shape: Shape) -> Vec<Declaration> {
        let mut found = Vec::new();
        let mut waiting = vec![shape];
        while let Some(shape) = waiting.pop() {
            match shape {
                Shape::Struct(group) => {
                    waiting.extend(group.fields.iter().map(|field| field.shape.clone()));
                    found.push(group);
                }
                Shape::Either(all) => waiting.extend(all),
                Shape::List(inner) | Shape::Called(_, inner) | Shape::Table { value: inner, .. } => {
                    waiting.push(*inner);
                }
                Shape::Word { .. } | Shape::Secret { .. } | Shape::Literal(_) | Shape::Choice(_) => {}
                Shape::Bool | Shape::Integer { .. } => {}
            }
        }
        found
    }

    #[test]
    fn every_member_has_a_name_of_its_own_and_says_what_it_does() {
        let policies: Vec<_> = ALL.policies.iter().map(|kind| (kind.name, kind.doc)).collect();
        let balancers: Vec<_> = ALL.balancers.iter().map(|kind| (kind.name, kind.doc)).collect();
        for members in [policies, balancers] {
            let names: HashSet<&str> = members.iter().map(|(name, _)| *name).collect();
            assert_eq!(names.len(), members.len(), "{members:?}");
            assert!(members.iter().all(|(_, doc)| doc.ends_with('.')), "{members:?}");
        }
    }

    /// The schema and the reference name groups by their Rust names: of two with the same, one would vanish.
    #[test]
    fn every_key_of_every_member_is_in_the_schema_and_the_reference() {
        let (schema, reference) = (tidegate_config::schema(&ALL), tidegate_config::reference(&ALL));
        let of_balancers = ALL.balancers.iter().filter_map(|kind| match kind.build {
            Build::With { shape, .. } => Some(shape()),
            Build::Plain(_) => None,
        });
        let shapes: Vec<Shape> = ALL.policies.iter().map(|kind| (kind.shape)()).chain(of_balancers).collect();
        let groups: Vec<Declaration> = shapes.into_iter().flat_map(groups).collect();
        assert!(!groups.is_empty());
        for text in groups.iter().flat_map(|group| group.fields.iter().map(|field| field.doc)) {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(schema.contains(&text), "{text}");
            assert!(reference.contains(&text), "{text}");
        }
        for doc in ALL.balancers.iter().map(|kind| kind.doc) {
            assert!(schema.contains(doc) && reference.contains(doc), "{doc}");
        }
    }
}
