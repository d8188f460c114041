//! What one lookup costs, in nanoseconds, among 10 and among 10,000 routes of the same shapes. Claim: the same
//! requests cost the same, within 5 %. The last column asks for every route in random order, which shows
//! the processor's caches at work and not the search. Run: `cargo run --release -p tidegate-core --example
//! router_cost`.

use std::hint::black_box;
use std::time::Instant;
use tidegate_core::name::Method;
use tidegate_core::router::{Found, HostPattern, Lookup, MethodSet, PathPattern, RouteMatch, Router};

/// Lookups of one round: it takes less than a slice of the scheduler, so that other work hits whole rounds.
const LOOKUPS: usize = 10_000;
/// Rounds of which the median is shown; the sizes take turns, so that other work hits both alike.
const ROUNDS: usize = 299;
const SIZES: [usize; 2] = [10, 10_000];

/// What a table looks like: a host, or none, and the paths of an API.
struct Shape {
    name: &'static str,
    host: &'static str,
}

const SHAPES: [Shape; 3] = [
    Shape { name: "no host", host: "" },
    Shape { name: "one host", host: "api.example.com" },
    Shape { name: "a host per ten routes", host: "t{i}.example.com" },
];

fn main() {
    print!("{:<24}{:>10}{:>10}{:>8}", "ns per lookup", "10", "10,000", "ratio");
    println!("{:>15}{:>16}", "10,000 spread", "compiled in ms");
    for shape in SHAPES {
        let begin = Instant::now();
        let routers = SIZES.map(|size| shape.router(size));
        let compiled_ms = begin.elapsed().as_secs_f64() * 1e3;
        let same: Vec<(String, String)> = (0..SIZES[0]).map(|i| shape.request(i)).collect();
        let spread: Vec<(String, String)> =
            (0..SIZES[1]).map(|i| shape.request(i.wrapping_mul(7919) % SIZES[1])).collect();
        let mut rounds = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            rounds[0].push(lookup_ns(&routers[0], &same));
            rounds[1].push(lookup_ns(&routers[1], &same));
            rounds[2].push(lookup_ns(&routers[1], &spread));
        }
        let [few, many, spread] = rounds.map(median);
        print!("{:<24}{few:>10.1}{many:>10.1}{:>8.3}", shape.name, many / few);
        println!("{spread:>15.1}{compiled_ms:>16.1}");
    }
}

impl Shape {
    fn router(&self, size: usize) -> Router {
        let route = |i: usize| {
            let path =
                ["/v1/c{i}", "/v1/c{i}/{id}", "/v1/c{i}/{id}/parts", "/v1/c{i}/{id}/parts/{n}", "/s{i}/**"];
            let mut methods = MethodSet::default();
            if i.is_multiple_of(2) {
                methods.insert("GET").expect("a method");
            }
            let host = self.host.replace("{i}", &(i / 10).to_string());
            RouteMatch {
                host: (!host.is_empty()).then(|| HostPattern::parse(&host).expect("a host")),
                path: PathPattern::parse(&path[i % 5].replace("{i}", &(i / 5).to_string())).expect("a path"),
                methods,
                other_conditions: 0,
            }
        };
        Router::new(&(0..size).map(route).collect::<Vec<_>>())
    }

    /// Host and path that route `i` matches.
    fn request(&self, i: usize) -> (String, String) {
        let path =
            ["/v1/c{i}", "/v1/c{i}/42", "/v1/c{i}/42/parts", "/v1/c{i}/42/parts/7", "/s{i}/style/main.css"];
        (self.host.replace("{i}", &(i / 10).to_string()), path[i % 5].replace("{i}", &(i / 5).to_string()))
    }
}

fn lookup_ns(router: &Router, requests: &[(String, String)]) -> f64 {
    let mut left = LOOKUPS;
    let begin = Instant::now();
    while left > 0 {
        for (host, path) in requests.iter().take(left) {
            let lookup = Lookup {
                host: host.as_bytes(),
                path: path.as_bytes(),
                method: Method::Get,
                method_text: b"GET",
            };
            let found = black_box(router.find(black_box(lookup), |_| true));
            assert!(matches!(found, Found::Route(_)), "every request has a route");
        }
        left = left.saturating_sub(requests.len());
    }
    begin.elapsed().as_nanos() as f64 / LOOKUPS as f64
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
