//! The router against a second one that reads the rules literally: it looks at every route, as text, and
//! compares the matching ones. Random routes, random requests, a printed seed.

use super::*;
use std::cmp::Reverse;

/// Route sets, and lookups in each: 110,000 in all.
const SETS: usize = 1100;
const LOOKUPS: usize = 100;

/// Splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// A route as an operator would write it.
#[derive(Clone, Debug)]
struct Written {
    host: &'static str,
    path: String,
    methods: Vec<&'static str>,
    other_conditions: usize,
}

impl Written {
    fn random(chance: &mut Chance) -> Written {
        let mut path = String::new();
        for depth in 0..chance.below(5) {
            path += "/";
            match chance.below(10) {
                0..3 => path += &format!("{{p{depth}}}"),
                3 => {}
                _ => path += chance.one(&["a", "b", "long-segment"]),
            }
        }
        if path.is_empty() || chance.below(4) == 0 {
            path += chance.one(&["/**", "/"]);
        }
        let host = chance.one(&["", "", "x.org", "a.x.org", "*.x.org", "*.a.x.org", "*.org", "b.a.x.org"]);
        let methods = (0..chance.below(3)).map(|_| chance.one(&["GET", "POST", "PURGE", "LINK"])).collect();
        Written { host, path, methods, other_conditions: [0, 0, 1, 2][chance.below(4)] }
    }

    fn compiled(&self) -> RouteMatch {
        let mut methods = MethodSet::default();
        self.methods.iter().for_each(|method| methods.insert(method).unwrap());
        RouteMatch {
            host: (!self.host.is_empty()).then(|| HostPattern::parse(self.host).unwrap()),
            path: PathPattern::parse(&self.path).unwrap(),
            methods,
            other_conditions: self.other_conditions,
        }
    }

    fn host_fits(&self, host: &str) -> bool {
        match self.host.strip_prefix('*') {
            Some(suffix) => host.strip_suffix(suffix).is_some_and(|labels| !labels.is_empty()),
            None => self.host.is_empty() || self.host == host,
        }
    }

    fn path_fits(&self, path: &str) -> bool {
        let (parts, has_rest) = match self.path.strip_suffix("/**") {
            Some(root) => (root, true),
            None => (self.path.as_str(), false),
        };
        let parts: Vec<&str> = parts.split('/').collect();
        let segments: Vec<&str> = path.split('/').collect();
        let is_long_enough = segments.len() == parts.len() || (has_rest && segments.len() > parts.len());
        let fits = |(part, segment): (&&str, &&str)| match part.starts_with('{') {
            true => !segment.is_empty(),
            false => part == segment,
        };
        is_long_enough && parts.iter().zip(&segments).all(fits)
    }

    fn method_fits(&self, method: &str) -> bool {
        let has = |wanted| self.methods.contains(&wanted);
        self.methods.is_empty() || has(method) || (method == "HEAD" && has("GET"))
    }

    /// The larger, the more specific; the order of the file is left to the caller.
    fn rank(&self) -> impl Ord {
        let host = match self.host.strip_prefix("*.") {
            Some(suffix) => 1 + suffix.split('.').count(),
            None if self.host.is_empty() => 0,
            None => 100,
        };
        let parts: Vec<&str> = self.path.split('/').skip(1).collect();
        let params = parts.iter().filter(|part| part.starts_with('{')).count();
        let has_rest = parts.last() == Some(&"**");
        let literals = parts.len() - params - usize::from(has_rest);
        let conditions = self.other_conditions + usize::from(!self.methods.is_empty());
        (host, literals, params, !has_rest, conditions)
    }
}

/// A request, and which routes' other conditions it meets.
struct Asked {
    host: &'static str,
    path: String,
    method: &'static str,
    holding: usize,
}

impl Asked {
    fn random(chance: &mut Chance) -> Asked {
        let hosts = ["x.org", "a.x.org", "b.a.x.org", "c.b.a.x.org", "org", "y.com", ".x.org", "xx.org"];
        let path = (0..1 + chance.below(5)).map(|_| match chance.below(8) {
            0 => "/",
            1 => "/c",
            _ => chance.one(&["/a", "/b", "/long-segment"]),
        });
        Asked {
            path: path.collect(),
            host: chance.one(&hosts),
            method: chance.one(&["GET", "HEAD", "POST", "PUT", "PURGE", "MERGE"]),
            holding: chance.below(1 << 16),
        }
    }

    fn holds(&self, route: usize, routes: &[Written]) -> bool {
        routes[route].other_conditions == 0 || self.holding & (1 << (route % 16)) != 0
    }

    /// As the rules say it.
    fn expected(&self, routes: &[Written]) -> Found {
        let fitting: Vec<usize> = (0..routes.len())
            .filter(|&i| routes[i].host_fits(self.host) && routes[i].path_fits(&self.path))
            .filter(|&i| self.holds(i, routes))
            .collect();
        let best = fitting.iter().filter(|&&i| routes[i].method_fits(self.method));
        match best.max_by_key(|&&i| (routes[i].rank(), Reverse(i))) {
            Some(&route) => Found::Route(route),
            None if fitting.is_empty() => Found::None,
            None => {
                let mut allowed = MethodSet::default();
                for method in fitting.iter().flat_map(|&i| &routes[i].methods) {
                    allowed.insert(method).unwrap();
                }
                Found::MethodNotAllowed(allowed)
            }
        }
    }

    /// A route asked alone says of each part what the rules say.
    fn check_one_by_one(&self, routes: &[Written], compiled: &[RouteMatch], host: &str) {
        for (written, compiled) in routes.iter().zip(compiled) {
            let method = Method::of(self.method.as_bytes());
            let found = [
                compiled.takes_host(host.as_bytes()),
                compiled.takes_path(self.path.as_bytes()),
                compiled.takes_method(method, self.method.as_bytes()),
            ];
            let expected = [
                written.host_fits(self.host),
                written.path_fits(&self.path),
                written.method_fits(self.method),
            ];
            assert_eq!(found, expected, "{} {host} {} of {written:?}", self.method, self.path);
        }
    }

    fn found(&self, router: &Router, routes: &[Written], host: &str) -> Found {
        let lookup = Lookup {
            host: host.as_bytes(),
            path: self.path.as_bytes(),
            method: Method::of(self.method.as_bytes()),
            method_text: self.method.as_bytes(),
        };
        router.find(lookup, |route| self.holds(route, routes))
    }
}

/// `Allow` is a set: its order is not compared.
fn sorted(found: Found) -> Result<Found, Vec<String>> {
    match found {
        Found::MethodNotAllowed(allowed) => {
            let mut methods: Vec<String> = allowed.to_string().split(", ").map(String::from).collect();
            methods.sort();
            Err(methods)
        }
        found => Ok(found),
    }
}

#[test]
fn the_router_finds_what_the_rules_say() {
    let given = std::env::var("TIDEGATE_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = given.unwrap_or_else(|| now.map_or(1, |time| time.as_nanos() as u64));
    println!("TIDEGATE_TEST_SEED={seed}");
    let mut chance = Chance(seed);
    let mut outcomes = [0; 3];
    for _ in 0..SETS {
        let routes: Vec<Written> = (0..1 + chance.below(30)).map(|_| Written::random(&mut chance)).collect();
        let compiled: Vec<RouteMatch> = routes.iter().map(Written::compiled).collect();
        let router = Router::new(&compiled);
        for _ in 0..LOOKUPS {
            let asked = Asked::random(&mut chance);
            let host = match chance.below(4) {
                0 => format!("{}:8080", asked.host.to_uppercase()),
                1 => format!("{}.", asked.host),
                _ => asked.host.to_string(),
            };
            let (expected, found) = (asked.expected(&routes), asked.found(&router, &routes, &host));
            outcomes[match &expected {
                Found::Route(_) => 0,
                Found::MethodNotAllowed(_) => 1,
                Found::None => 2,
            }] += 1;
            let (expected, found) = (sorted(expected), sorted(found));
            assert_eq!(found, expected, "{} {host} {} among {routes:#?}", asked.method, asked.path);
            asked.check_one_by_one(&routes, &compiled, &host);
        }
    }
    // The test says something only if it meets every outcome often.
    assert!(outcomes.iter().all(|&count| count > SETS * LOOKUPS / 50), "{outcomes:?}");
}
