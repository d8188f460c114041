//! Walks the tree along a path and shows a visitor every route whose host and path match. Two visitors:
//! the best route, and, when there is none, the methods that would have been allowed.

use super::methods::{self, MethodSet};
use super::tree::{End, NONE, Node, Tree};
use super::{Lookup, Router};
use crate::name::Method;

/// Where the best route ends; and the nodes entered.
pub(super) fn best(
    router: &Router,
    lookup: &Lookup<'_>,
    holds: &impl Fn(usize) -> bool,
) -> (Option<End>, usize) {
    let mut best = Best { router, lookup, holds, method: methods::bit(lookup.method), end: None };
    let steps = walk_all(&router.tree, lookup, &mut best);
    (best.end, steps)
}

/// The methods of all routes for which all else holds; and the nodes entered.
#[cold]
pub(super) fn allowed(
    router: &Router,
    lookup: &Lookup<'_>,
    holds: &impl Fn(usize) -> bool,
) -> (MethodSet, usize) {
    let mut allowed = Allowed { router, holds, set: MethodSet::default() };
    let steps = walk_all(&router.tree, lookup, &mut allowed);
    (allowed.set, steps)
}

/// Who is shown the matching routes.
trait Visitor {
    /// Whether a subtree can hold anything new; it is skipped if not.
    fn wants(&self, node: &Node) -> bool;
    /// Routes that match host and path, the most specific first.
    fn meet(&mut self, ends: &[End]);
}

struct Best<'a, F> {
    router: &'a Router,
    lookup: &'a Lookup<'a>,
    holds: &'a F,
    method: u16,
    end: Option<End>,
}

impl<F: Fn(usize) -> bool> Best<'_, F> {
    /// The rank to beat.
    fn rank(&self) -> u32 {
        self.end.map_or(NONE, |end| end.rank)
    }

    fn matches(&self, end: &End) -> bool {
        if end.methods & self.method == 0 {
            return false;
        }
        let route = end.route as usize;
        // One bit stands for all methods without a name of their own; which one it is, the text says.
        let is_named = self.lookup.method != Method::Other
            || end.methods == methods::ANY
            || self.router.methods[route].has_other(self.lookup.method_text);
        is_named && (!end.has_other_conditions || (self.holds)(route))
    }
}

impl<F: Fn(usize) -> bool> Visitor for Best<'_, F> {
    fn wants(&self, node: &Node) -> bool {
        node.rank_min < self.rank() && node.methods & self.method != 0
    }

    fn meet(&mut self, ends: &[End]) {
        let rank = self.rank();
        if let Some(end) = ends.iter().take_while(|end| end.rank < rank).find(|end| self.matches(end)) {
            self.end = Some(*end);
        }
    }
}

struct Allowed<'a, F> {
    router: &'a Router,
    holds: &'a F,
    set: MethodSet,
}

impl<F: Fn(usize) -> bool> Visitor for Allowed<'_, F> {
    fn wants(&self, node: &Node) -> bool {
        // The bit of `Other` says too little to skip by.
        node.methods & (!self.set.known() | methods::bit(Method::Other)) != 0
    }

    fn meet(&mut self, ends: &[End]) {
        for end in ends {
            let route = end.route as usize;
            if !end.has_other_conditions || (self.holds)(route) {
                match &self.router.methods[route] {
                    // It takes all but the method that was asked.
                    any if any.is_empty() => self.set.insert_any(),
                    methods => self.set.insert_all(methods),
                }
            }
        }
    }
}

/// Walks every tree of paths that the host leads to; the number of nodes entered.
fn walk_all(tree: &Tree, lookup: &Lookup<'_>, visitor: &mut impl Visitor) -> usize {
    let mut steps = 0;
    if lookup.path.first() == Some(&b'/') {
        tree.roots(lookup.host, |root| {
            if visitor.wants(tree.node(root)) {
                steps += walk(tree, root, lookup.path, visitor);
            }
        });
    }
    steps
}

/// Depth first, literals before `{name}` before `**`, which is from the most to the least specific along
/// any one line of the tree. Needs no stack: a node knows its parent, and the path says where a segment
/// began. No node is entered twice, so the work is bounded by the patterns that match a beginning of the
/// path, and `wants` cuts off those that cannot be better than what was found.
fn walk(tree: &Tree, root: u32, path: &[u8], visitor: &mut impl Visitor) -> usize {
    let mut steps = 1;
    let mut node = root;
    // The end of what `node` has matched: at a `/`, or at the end of the path.
    let mut at = 0;
    loop {
        while at < path.len() {
            let end = segment_end(path, at + 1);
            match child(tree, node, &path[at + 1..end], visitor) {
                Some(child) => (node, at, steps) = (child, end, steps + 1),
                None => break,
            }
        }
        if at == path.len() {
            let ends = tree.node(node);
            visitor.meet(&tree.ends[ends.ends_start as usize..ends.rests_start as usize]);
        }
        loop {
            let Node { parent, is_param, text_bytes, rests_start, rests_end, .. } = *tree.node(node);
            visitor.meet(&tree.ends[rests_start as usize..rests_end as usize]);
            if node == root {
                return steps;
            }
            let segment_bytes = match is_param {
                true => segment_before(path, at).len(),
                false => text_bytes as usize,
            };
            if !is_param && let Some(param) = param_child(tree, parent, segment_bytes, visitor) {
                (node, steps) = (param, steps + 1);
                break;
            }
            (node, at) = (parent, at - segment_bytes - 1);
        }
    }
}

/// The first child worth entering.
fn child(tree: &Tree, parent: u32, segment: &[u8], visitor: &impl Visitor) -> Option<u32> {
    let literal = match tree.node(parent).has_literals {
        true => tree.segment(parent, segment),
        false => None,
    };
    literal
        .filter(|&literal| visitor.wants(tree.node(literal)))
        .or_else(|| param_child(tree, parent, segment.len(), visitor))
}

/// The `{name}` child, if there is one and it is worth entering. It matches no empty segment.
fn param_child(tree: &Tree, parent: u32, segment_bytes: usize, visitor: &impl Visitor) -> Option<u32> {
    let param = tree.node(parent).param;
    (param != NONE && segment_bytes != 0 && visitor.wants(tree.node(param))).then_some(param)
}

fn segment_end(path: &[u8], start: usize) -> usize {
    memchr::memchr(b'/', &path[start..]).map_or(path.len(), |slash| start + slash)
}

fn segment_before(path: &[u8], end: usize) -> &[u8] {
    let start = memchr::memrchr(b'/', &path[..end]).map_or(0, |slash| slash + 1);
    &path[start..end]
}
