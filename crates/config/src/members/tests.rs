//! Members that ask for what nobody serves.

use crate::{Families, from_text};
use std::path::Path;
use tidegate_core::building::Building;
use tidegate_core::node::Node;
use tidegate_core::policy::{BodyNeed, Kind, Needs, Phase, Policy, RequestView, ResponseView, Verdict};
use tidegate_core::settings::Shape;

struct Asking(Needs);

impl Policy for Asking {
    fn phase(&self) -> Phase {
        Phase::Shape
    }

    fn needs(&self) -> Needs {
        self.0
    }

    fn request<'a>(&'a self, _: RequestView<'a>) -> Verdict<'a> {
        Verdict::Continue
    }

    fn response(&self, _: ResponseView<'_>) {}
}

/// One for each word of a text such as `request-stream`.
fn build(node: &Node, _: &mut Building<'_>) -> Vec<Box<dyn Policy>> {
    let of = |needs: Needs| -> Box<dyn Policy> { Box::new(Asking(needs)) };
    let one = |word: &str| match word {
        "request-stream" => of(Needs { request: BodyNeed::Stream, ..Needs::default() }),
        "request-buffer" => of(Needs { request: BodyNeed::Buffer(1), ..Needs::default() }),
        "response-stream" => of(Needs { response: BodyNeed::Stream, ..Needs::default() }),
        "response-buffer" => of(Needs { response: BodyNeed::Buffer(1), ..Needs::default() }),
        _ => of(Needs::default()),
    };
    node.scalar().map(|scalar| scalar.text.split(' ').map(one).collect()).unwrap_or_default()
}

#[test]
fn a_need_that_is_not_served_is_refused_where_the_member_is_built() {
    let policies =
        &[Kind { name: "asking", doc: "", shape: || Shape::Word { what: "words", pattern: "" }, build }];
    for (words, refused) in [
        ("nothing", None),
        ("request-buffer response-stream", None),
        ("request-stream", Some("the body of requests as it passes")),
        ("nothing request-stream", Some("the body of requests as it passes")),
        ("request-buffer response-buffer", Some("the whole body of answers")),
    ] {
        let text = format!(
            "version: 1\nlisten: {{ http: \"127.0.0.1:0\" }}\nroutes:\n  - {{ match: /, to: {{ respond: 200 }}, asking: {words} }}\n"
        );
        let problems = match from_text("f", &text, Path::new("/"), &Families::new(policies, &[])) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|problem| format!("{problem}")).collect(),
        };
        let expected =
            refused.map(|what| format!("f:4:39: `asking` asks for {what}, which no policy can have"));
        let said: Vec<&str> = problems.iter().filter_map(|text| text.lines().next()).collect();
        assert_eq!(said, expected.as_deref().into_iter().collect::<Vec<_>>(), "{words}");
    }
}
