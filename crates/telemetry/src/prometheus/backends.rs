//! What is known of backends: whether they are up, what they were asked and what they answered.

use super::Page;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tidegate_core::meters::{CLASSES, HistogramSum};
use tidegate_core::service::{Backend, Service};

pub(super) fn page(services: &[Arc<Service>], out: &mut Page) {
    let rosters: Vec<_> = services.iter().map(|service| (service, service.roster.load())).collect();
    let name = "tidegate_service_panic";
    let help =
        "1 while all backends that take connections fail their checks: they are given requests all the same.";
    out.family(name, "gauge", help);
    for (service, roster) in &rosters {
        out.line(name, &[("service", &service.name)], u64::from(roster.is_panicking.load(Relaxed)));
    }
    let backends: Vec<_> =
        rosters.iter().flat_map(|(s, r)| r.backends.iter().map(move |b| (&***s, b))).collect();
    out.family("tidegate_backend_up", "gauge", "1 if the backend is up or nothing is known of it.");
    for each in &backends {
        out.line("tidegate_backend_up", &labels(each), u64::from(!each.1.cell.is_down()));
    }
    out.family("tidegate_backend_requests_in_flight", "gauge", "Tries at a backend now.");
    for each in &backends {
        let in_flight = each.1.cell.in_flight.load(Relaxed);
        out.line("tidegate_backend_requests_in_flight", &labels(each), in_flight);
    }
    out.family("tidegate_backend_requests_total", "counter", "Tries sent to a backend.");
    for each in &backends {
        out.line("tidegate_backend_requests_total", &labels(each), each.1.cell.requests.load(Relaxed));
    }
    out.family("tidegate_backend_failures_total", "counter", "Tries that failed at a backend.");
    for each in &backends {
        out.line("tidegate_backend_failures_total", &labels(each), each.1.cell.failures.load(Relaxed));
    }
    responses(&backends, out);
}

fn labels<'a>((service, backend): &(&'a Service, &'a Backend)) -> [(&'static str, &'a str); 2] {
    [("service", &service.name), ("backend", &backend.label)]
}

/// What those answered that ever did. Every class but 1xx is there from the first answer on, so that the first failure
/// is a step and not a beginning.
fn responses(backends: &[(&Service, &Backend)], out: &mut Page) {
    let used = || backends.iter().filter(|each| each.1.cell.answers.used().next().is_some());
    let name = "tidegate_backend_responses_total";
    out.family(name, "counter", "Answers of a backend by the class of their status.");
    for each in used() {
        let [service, backend] = labels(each);
        let counts = each.1.cell.responses();
        for (class, count) in
            CLASSES.into_iter().zip(counts).filter(|(class, count)| *count > 0 || *class != "1xx")
        {
            out.line(name, &[service, backend, ("class", class)], count);
        }
    }
    let name = "tidegate_backend_request_duration_seconds";
    out.family(name, "histogram", "From a try's beginning until the head of its answer, in seconds.");
    for each in used() {
        let mut sum = HistogramSum::default();
        each.1.cell.answers.used().for_each(|answers| answers.duration.add_to(&mut sum));
        out.histogram(name, &labels(each), &sum);
    }
}
