//! `tidegate reload`: asks the gateway that runs a file to read it anew. The file says where its admin listener is
//! and where its token is kept.

use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tidegate_config::Config;
use tidegate_core::problem::{Problem, Problems, quote};
use tidegate_core::units::Bind;

use super::say::{self, Form};
use crate::{families, local};

/// A reload of ten thousand routes takes half a second; workers answer within one.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Hundred problems with their lines are some 50 KiB.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// Asks for a reload. `admin` is where, unless the file says.
pub(super) fn run(path: &Path, admin: Option<&str>, form: Form) -> ExitCode {
    // What the gateway would refuse is told here, with the lines under it.
    let config = match tidegate_config::load(path, &families::ALL) {
        Ok(config) => config,
        Err(problems) => return say::unusable_as(form, &problems),
    };
    let asked = match address(&config, admin) {
        Ok(bind) => token(&config).and_then(|token| ask(&bind, &token)),
        Err(problem) => return say::unusable(&problem.into()),
    };
    match asked {
        Ok(answer) if answer.status == 200 => say::result(&match form {
            Form::Json => say::pretty(&answer.body),
            Form::Text => taken(&answer.body),
        }),
        Ok(answer) if answer.status == 422 => match form {
            Form::Json => say::unusable_with(&answer.body),
            Form::Text => say::unusable(&refused(&answer.body)),
        },
        Ok(answer) => say::failed(declined(&answer)),
        Err(problem) => say::failed(problem),
    }
}

/// What the gateway said.
struct Answer {
    status: u16,
    body: Value,
}

fn address(config: &Config, admin: Option<&str>) -> Result<Bind, Problem> {
    let Some(text) = admin else { return Ok(config.admin.bind.value.clone()) };
    if let Some(path) = text.strip_prefix("unix:") {
        return Ok(Bind::Unix(path.into()));
    }
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    match bare.parse::<SocketAddr>() {
        Ok(address) => Ok(Bind::Inet(address)),
        Err(_) => Err(Problem::new(format!("{} is not an address", quote(text)))
            .hint("write the admin listener's, as in `127.0.0.1:9900` or `unix:/run/admin.sock`")),
    }
}

fn token(config: &Config) -> Result<String, Problem> {
    let path = config.state.dir.join("admin-token");
    match std::fs::read_to_string(&path) {
        Ok(token) => Ok(token.trim().to_owned()),
        Err(error) => Err(Problem::new(format!("cannot read the token in {}: {error}", path.display()))
            .hint("a gateway makes it at its first start; run this as its user, beside its file")),
    }
}

/// Something to speak HTTP over.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn ask(bind: &Bind, token: &str) -> Result<Answer, Problem> {
    let (host, shown) = match bind {
        Bind::Inet(address) => {
            let url = local::url(*address);
            (url.trim_start_matches("http://").to_owned(), url)
        }
        Bind::Unix(path) => (String::from("localhost"), format!("unix:{}", path.display())),
    };
    let unheard = |error: io::Error| {
        Problem::new(format!("no gateway answers on {shown}: {error}"))
            .hint("start one with `tidegate run`, or say where it is with `--admin ADDRESS`")
    };
    let mut stream = connect(bind, &host).map_err(unheard)?;
    let request = format!(
        "POST /api/v1/reload HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    let mut bytes = Vec::new();
    stream.write_all(request.as_bytes()).map_err(unheard)?;
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).map_err(unheard)?;
    read(&bytes).ok_or_else(|| {
        Problem::new(format!("what answers on {shown} is no gateway"))
            .hint("say where it is with `--admin ADDRESS`")
    })
}

fn connect(bind: &Bind, host: &str) -> io::Result<Box<dyn Stream>> {
    match bind {
        // An address that stands for all of this machine's is reached by its loopback one.
        Bind::Inet(_) => {
            let stream = TcpStream::connect(host)?;
            stream.set_read_timeout(Some(ANSWER_TIME))?;
            Ok(Box::new(stream))
        }
        Bind::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(ANSWER_TIME))?;
            Ok(Box::new(stream))
        }
    }
}

/// An answer of our own admin listener: it states a length or closes, and its bodies are JSON.
fn read(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answer { status, body: serde_json::from_str(body).unwrap_or(Value::Null) })
}

fn taken(body: &Value) -> String {
    let number = &body["snapshot"];
    let changed: Vec<&str> =
        body["changed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match &changed[..] {
        [] => format!("Snapshot {number} is in use; nothing has changed."),
        changed => format!("Snapshot {number} is in use; changed: {}.", changed.join(", ")),
    }
}

/// The gateway's problems with a file that is fine by itself: an address it cannot listen on, say.
fn refused(body: &Value) -> Problems {
    let mut problems = Problems::default();
    for told in body["problems"].as_array().into_iter().flatten() {
        let text = |key: &str| told[key].as_str().unwrap_or_default();
        let place = match (&told["file"], &told["line"], &told["column"]) {
            (Value::String(file), Value::Number(line), Value::Number(column)) => {
                format!("{file}:{line}:{column}: ")
            }
            (Value::String(file), ..) => format!("{file}: "),
            _ => String::new(),
        };
        let problem = Problem::new(format!("{place}{}", text("reason")));
        problems.push(match text("hint") {
            "" => problem,
            hint => problem.hint(hint),
        });
    }
    problems
}

fn declined(answer: &Answer) -> Problem {
    let said = ["detail", "title"].iter().find_map(|key| answer.body[key].as_str());
    let problem =
        Problem::new(format!("the gateway declines with {}: {}", answer.status, said.unwrap_or("no reason")));
    match answer.status {
        401 => {
            problem.hint("the token in the state folder of this file is not that of the gateway that answers")
        }
        404 => problem.hint("what answers there has no such API: is it an older version?"),
        _ => problem,
    }
}
