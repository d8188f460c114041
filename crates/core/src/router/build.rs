//! Compiles routes into a router: sorts them by how specific they are, and lays the tree out flat.
//! Runs on the control side, once per snapshot that changes routes.

use super::methods::MethodSet;
use super::pattern::Segment;
use super::specific::Specificity;
use super::tree::{ANY_HOST, Case, Edge, End, HOSTS, NONE, Node, Tree, WILDCARDS, hash, own_text, tag};
use super::{RouteMatch, Router};
use std::collections::HashMap;

pub(super) fn router(routes: &[RouteMatch]) -> Router {
    let mut by_rank: Vec<usize> = (0..routes.len()).collect();
    // The sort is stable, which leaves equals in the order of the file.
    by_rank.sort_by_key(|&route| Specificity::of(&routes[route]));
    let mut draft = Draft::new();
    for (rank, &route) in by_rank.iter().enumerate() {
        draft.add(rank as u32, route as u32, &routes[route]);
    }
    Router {
        tree: draft.finish(),
        methods: routes.iter().map(|route| route.methods.clone()).collect::<Box<[MethodSet]>>(),
    }
}

/// The tree while it grows. A child is always made after its parent, so its number is larger.
struct Draft {
    nodes: Vec<Node>,
    /// What ends at each node, and what ends there with `**`, in the order of ranks.
    ends: Vec<[Vec<End>; 2]>,
    text: Vec<u8>,
    literals: HashMap<(u32, Box<[u8]>), u32>,
}

impl Draft {
    fn new() -> Draft {
        let mut draft =
            Draft { nodes: Vec::new(), ends: Vec::new(), text: Vec::new(), literals: HashMap::new() };
        for _ in [HOSTS, WILDCARDS, ANY_HOST] {
            draft.add_node(NONE, false, b"");
        }
        draft
    }

    fn add(&mut self, rank: u32, index: u32, route: &RouteMatch) {
        let mut node = match &route.host {
            Some(host) if host.is_wildcard() => self.literal(WILDCARDS, host.name().as_bytes()),
            Some(host) => self.literal(HOSTS, host.name().as_bytes()),
            None => ANY_HOST,
        };
        for segment in route.path.segments() {
            node = match segment {
                Segment::Literal(literal) => self.literal(node, literal.plain()),
                Segment::Param(_) => self.param(node),
            };
        }
        let end = End {
            rank,
            route: index,
            methods: route.methods.mask(),
            has_other_conditions: route.other_conditions != 0,
        };
        self.ends[node as usize][usize::from(route.path.has_rest())].push(end);
    }

    fn literal(&mut self, parent: u32, text: &[u8]) -> u32 {
        if let Some(&child) = self.literals.get(&(parent, text.into())) {
            return child;
        }
        let child = self.add_node(parent, false, text);
        self.nodes[parent as usize].has_literals = true;
        self.literals.insert((parent, text.into()), child);
        child
    }

    fn param(&mut self, parent: u32) -> u32 {
        match self.nodes[parent as usize].param {
            NONE => {
                let child = self.add_node(parent, true, b"");
                self.nodes[parent as usize].param = child;
                child
            }
            child => child,
        }
    }

    fn add_node(&mut self, parent: u32, is_param: bool, text: &[u8]) -> u32 {
        let node = self.nodes.len() as u32;
        self.nodes.push(Node {
            parent,
            param: NONE,
            rank_min: NONE,
            methods: 0,
            is_param,
            has_literals: false,
            own_text: own_text(text),
            text_start: self.text.len() as u32,
            text_bytes: text.len() as u32,
            ends_start: 0,
            rests_start: 0,
            rests_end: 0,
        });
        self.ends.push([Vec::new(), Vec::new()]);
        self.text.extend_from_slice(text);
        node
    }

    fn finish(mut self) -> Tree {
        let ends = self.lay_out_ends();
        self.sum_up();
        let longest = |is_counted: fn(u32) -> bool| {
            self.literals.keys().filter(|(parent, _)| is_counted(*parent)).map(|(_, text)| text.len()).max()
        };
        Tree {
            edges: self.edges(),
            segment_bytes_max: longest(|parent| parent != HOSTS && parent != WILDCARDS).unwrap_or(0),
            wildcard_bytes_max: longest(|parent| parent == WILDCARDS).unwrap_or(0),
            nodes: self.nodes.into(),
            ends: ends.into(),
            text: self.text.into(),
        }
    }

    fn lay_out_ends(&mut self) -> Vec<End> {
        let mut all = Vec::new();
        for (node, [ends, rests]) in self.nodes.iter_mut().zip(&self.ends) {
            node.ends_start = all.len() as u32;
            all.extend_from_slice(ends);
            node.rests_start = all.len() as u32;
            all.extend_from_slice(rests);
            node.rests_end = all.len() as u32;
        }
        all
    }

    /// Tells every node what its subtree holds: from the last child to the first parent.
    fn sum_up(&mut self) {
        for node in (0..self.nodes.len()).rev() {
            for end in self.ends[node].iter().flatten() {
                self.nodes[node].rank_min = self.nodes[node].rank_min.min(end.rank);
                self.nodes[node].methods |= end.methods;
            }
            let Node { parent, rank_min, methods, .. } = self.nodes[node];
            if parent != NONE {
                let parent = &mut self.nodes[parent as usize];
                parent.rank_min = parent.rank_min.min(rank_min);
                parent.methods |= methods;
            }
        }
    }

    fn edges(&self) -> Box<[Edge]> {
        let places = (2 * self.literals.len()).next_power_of_two().max(2);
        let mut edges = vec![Edge { tag: 0, child: NONE }; places];
        for ((parent, text), &child) in &self.literals {
            let case = if matches!(*parent, HOSTS | WILDCARDS) { Case::Ignored } else { Case::Counts };
            let hash = hash(*parent, text, case);
            let mut place = hash as usize & (places - 1);
            while edges[place].child != NONE {
                place = (place + 1) & (places - 1);
            }
            edges[place] = Edge { tag: tag(hash), child };
        }
        edges.into()
    }
}
