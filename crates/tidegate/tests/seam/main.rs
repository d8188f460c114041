//! A member that this program does not have, written here as its folder would be and handed in with the others,
//! is read, refused, described and run like any other: nothing between the file and the socket knows it by name.

mod bodies;

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tidegate_config::{Config, Families, Workshop, compile, from_text};
use tidegate_core::balance::{self, Balancer, Build, Pick, Sample};
use tidegate_core::clock::Nanos;
use tidegate_core::entry::NameBook;
use tidegate_core::header::HeaderValue;
use tidegate_core::limits::HeadLimits;
use tidegate_core::meters::Meters;
use tidegate_core::outcome::Outcome;
use tidegate_core::policy::{self, Phase, Policy, Reply, RequestView, ResponseView, Verdict};
use tidegate_core::problem::Problems;
use tidegate_core::service::{CellBook, Roster};
use tidegate_core::settings;
use tidegate_core::settings::Setting;
use tidegate_core::units::Count;
use tidegate_flow::Worker;
use tidegate_testkit::backend::OK;
use tidegate_testkit::gateway::ask;
use tidegate_testkit::{Message, RawBackend, ports};
use tidegate_wire::http1::server::{ConnectionLimits, Idle, Serving};
use tidegate_wire::listen::{Acceptor, Bind, Listeners};
use tokio::sync::oneshot;

/// Leaves its mark on what passes, after a while; turns away who has one already.
struct Mark {
    word: &'static str,
    phase: Phase,
}

settings! {
    /// What a mark looks like.
    struct MarkSettings {
        /// What is written on it besides.
        say: Option<HeaderValue>,
    }
}

const MARKS: [policy::Kind; 2] = [
    policy::Kind {
        name: "mark-late",
        doc: "Leaves a mark when most is done.",
        shape: MarkSettings::shape,
        build: |node, building| {
            MarkSettings::read(node, building.problems);
            vec![Box::new(Mark { word: "late", phase: Phase::Shape })]
        },
    },
    policy::Kind {
        name: "mark-early",
        doc: "Leaves a mark before anything is done.",
        shape: MarkSettings::shape,
        build: |node, building| {
            MarkSettings::read(node, building.problems);
            vec![Box::new(Mark { word: "early", phase: Phase::Guard })]
        },
    },
];

impl Policy for Mark {
    fn phase(&self) -> Phase {
        self.phase
    }

    fn request<'a>(&'a self, view: RequestView<'a>) -> Verdict<'a> {
        if view.head.fields.find_all(b"x-mark").any(|mark| mark == self.word.as_bytes()) {
            let fields = vec![("x-because".to_owned(), self.word.to_owned())];
            let reply = Reply { status: 403, outcome: Outcome::Forbidden, reason: None, fields, body: None };
            return Verdict::Reply(Box::new(reply));
        }
        Verdict::Wait(Box::pin(async move {
            tokio::task::yield_now().await;
            view.head.fields.push("x-mark", self.word.as_bytes());
            Verdict::Continue
        }))
    }

    fn response(&self, view: ResponseView<'_>) {
        view.head.fields.push("x-mark", self.word.as_bytes());
    }
}

/// Sends everything to one backend.
#[derive(Debug)]
struct Nth(usize);

settings! {
    /// Which backend.
    struct NthSettings {
        /// Its number, from 0.
        index: Count<0, 9>,
    }
}

const NTH: balance::Kind = balance::Kind {
    name: "nth",
    doc: "The backend of that number.",
    build: Build::With {
        shape: NthSettings::shape,
        build: |node, problems| Box::new(Nth(NthSettings::read(node, problems).index.get() as usize)),
    },
};

impl Balancer for Nth {
    fn pick(&self, roster: &Roster, _: Pick) -> Option<usize> {
        (self.0 < roster.backends.len()).then_some(self.0)
    }

    fn observe(&self, _: &Roster, _: usize, _: Nanos, _: Sample) {}
}

/// Reads a text with the program's members and those above, or without those.
fn read(text: &str, marks: &[policy::Kind], nth: &[balance::Kind]) -> Result<Config, Problems> {
    let policies = [tidegate_policies::ALL, marks].concat();
    let balancers = [tidegate_upstreams::balancers::ALL, nth].concat();
    from_text("f.yaml", text, Path::new("."), &Families::new(&policies, &balancers))
}

/// What the program does with a configuration, on one thread and one socket. Ends when dropped.
struct Gateway {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    fn start(config: &Config) -> Gateway {
        let (cells, meters) = (CellBook::new(1), Meters::new(1));
        let snapshot = compile(
            config,
            1,
            &Workshop { cells: &cells, names: &NameBook::default(), meters: &meters, previous: None },
        )
        .expect("compile");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::claim()));
        let sockets = Listeners::default().for_workers(&Bind::Inet(address), 1).expect("listen");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let builder =
                tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
            builder.expect("start a runtime").block_on(async move {
                let acceptor = sockets.into_iter().next().expect("a socket").into_acceptor().expect("accept");
                tokio::task::spawn_local(tidegate_wire::timer::drive());
                let worker = Rc::new(Worker::new(0, 1, "seam", Arc::new(snapshot), 7));
                tokio::select! { () = accept(acceptor, worker) => {}, _ = stopped => {} }
            });
        });
        Gateway { address, stop: Some(stop), thread: Some(thread) }
    }

    fn get(&self, path: &str, fields: &str) -> Message {
        ask(self.address, format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())
    }
}

async fn accept(acceptor: Acceptor, worker: Rc<Worker>) {
    let limits = ConnectionLimits {
        head: HeadLimits::REQUEST,
        head_time: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        requests: 1000,
        min_rate: None,
    };
    let serving = Rc::new(Serving {
        listener: "http".into(),
        limits: Cell::new(limits),
        trusted: RefCell::default(),
        door: RefCell::default(),
        stage: Rc::default(),
    });
    while let Ok((socket, address)) = acceptor.accept().await {
        tokio::task::spawn_local(Idle::new(socket, address, serving.clone()).serve(worker.clone(), ()));
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the gateway's thread panicked");
    }
}

fn marks(message: &Message) -> Vec<&str> {
    message.values("x-mark").into_iter().map(|mark| std::str::from_utf8(mark).unwrap_or_default()).collect()
}

#[test]
fn a_made_up_member_of_each_family_serves_requests() {
    let backends = [RawBackend::answering(OK), RawBackend::answering(OK)];
    let [zero, one] = [backends[0].address, backends[1].address];
    let text = format!(
        "version: 1\nlisten: {{ http: \"127.0.0.1:0\" }}\nservices:\n\
         \x20 second: {{ backends: [\"{zero}\", \"{one}\"], balance: {{ nth: {{ index: 1 }} }} }}\n\
         \x20 nobody: {{ backends: [\"{zero}\"], balance: {{ nth: {{ index: 7 }} }} }}\n\
         routes:\n\
         \x20 - {{ match: /plain, to: second }}\n\
         \x20 - {{ match: /marked, to: second, mark-late: {{}}, headers: {{ request: {{ set: {{ x-env: prod }} }} }}, mark-early: {{}} }}\n\
         \x20 - {{ match: /nobody, to: nobody, mark-late: {{}} }}\n"
    );
    let gateway =
        Gateway::start(&read(&text, &MARKS, &[NTH]).unwrap_or_else(|problems| panic!("{problems}")));

    for _ in 0..20 {
        let answer = gateway.get("/marked", "X-Mark: mine\r\n");
        assert_eq!((answer.status(), &answer.body[..]), (200, &b"ok"[..]));
        assert_eq!(marks(&answer), ["late", "early"], "answers pass them in reverse");
    }
    let seen = backends[1].take_arrivals();
    assert_eq!((seen.len(), backends[0].connections()), (20, 0), "every request went to the second");
    let request = seen[0].request.as_ref().expect("a whole request");
    assert_eq!(marks(request), ["mine", "early", "late"], "by phase, not by place in the file");
    assert_eq!(request.value("x-env"), "prod", "beside a member of the program");

    let refused = gateway.get("/marked", "X-Mark: early\r\n");
    assert_eq!(
        (refused.status(), refused.value("x-because"), marks(&refused)),
        (403, "early", vec!["late", "early"])
    );
    let nobody = gateway.get("/nobody", "");
    assert_eq!((nobody.status(), marks(&nobody)), (503, vec!["late"]), "the balancer found nobody");
    assert!(marks(&gateway.get("/plain", "")).is_empty(), "a route has what it names, and nothing else");
}

#[test]
fn a_made_up_member_is_refused_and_described_like_any_other() {
    let text = "version: 1\nlisten: { http: \"127.0.0.1:0\" }\nservices:\n  a: { backends: [\"10.0.0.1:1\"], balance: { nth: { idnex: 1 } } }\n\
                routes:\n  - { match: /a, to: a, mark-late: { say: \"{hots}\" } }\n  - { match: /b, to: a, mark-eraly: {} }\n";
    let told = |problems: Problems| -> Vec<String> {
        let line = |problem: &tidegate_core::problem::Problem| {
            let hint = problem.hint.as_deref().unwrap_or_default();
            format!(
                "{}:{} {}; {hint}",
                problem.line().unwrap_or(0),
                problem.column().unwrap_or(0),
                problem.reason
            )
        };
        problems.iter().map(line).collect()
    };
    let with = told(read(text, &MARKS, &[NTH]).unwrap_err());
    assert_eq!(
        with,
        [
            "4:50 the key `index` is missing; ",
            "4:52 unknown key `idnex`; did you mean `index`?",
            "6:43 `{hots}` mentions a value that does not exist; did you mean `{host}`?",
            "7:25 unknown key `mark-eraly`; did you mean `mark-early`?",
        ]
    );
    let without = told(read(text, &[], &[]).unwrap_err());
    assert_eq!(without.len(), 3, "{without:?}");
    assert!(without[0].starts_with("4:45 `nth` is not known here; known here: `ewma`,"), "{without:?}");
    assert!(without[1].starts_with("6:25 unknown key `mark-late`; known here: `name`,"), "{without:?}");
    let families = Families::new(&MARKS, &[NTH]);
    for text in [tidegate_config::schema(&families), tidegate_config::reference(&families)] {
        for doc in
            ["Leaves a mark when most is done.", "What is written on it besides.", "Its number, from 0."]
        {
            assert!(text.contains(doc), "{doc}\nis not in\n{text}");
        }
    }
}
