//! What one declaration yields: a reader that tells everything at once, a schema, a reference.

use super::{Placed, Rest, Setting, Table, Toggle};
use crate::node::{Entry, Node, Scalar, Value};
use crate::problem::{Place, Problems, Source};
use crate::units::{Bytes, Count, Label};
use std::time::Duration;

choice! {
    /// A colour.
    enum Colour {
        /// Like blood.
        Red = "red",
        /// Like the sea.
        Blue = "blue",
    }
}

settings! {
    /// A box.
    struct Crate {
        /// How heavy it may be.
        weight: Bytes<1, 100>,
        /// Its paint.
        paint: Colour = Colour::Blue,
        /// What it is made for.
        kind: Option<String> as "type",
        /// How long it lasts.
        lasts: Toggle<Duration> = Toggle::On(Duration::from_secs(60)),
    }
    short weight;
}

settings! {
    /// A ship.
    struct Ship {
        /// Its crates by name.
        crates: Table<Label, Crate> = Table::default(),
        /// Its master.
        master: Placed<Label>,
        /// Its masts, one by one.
        masts: Vec<Count<1, 9>> = vec![Count::new(2)],
        /// Its engine.
        engine: Engine,
        /// Whether it sails.
        sails: bool = true,
    }
    rest flags;
}

settings! {
    /// A cargo.
    struct Cargo {
        /// Its crates.
        crates: Option<Placed<Vec<Crate>>>,
        /// Where it goes.
        to: Option<String>,
    }
    short crates;
}

settings! {
    /// An engine.
    struct Engine {
        /// How many pistons.
        pistons: Count = Count::new(4),
    }
}

/// A tree as `config` would make it from text; every place is the start of the text.
fn place() -> Place {
    Place::on_line(&Source::new("f.yaml", "/", "text"), 1, 0, 4)
}

fn node(value: Value) -> Node {
    Node { place: place(), value }
}

fn word(text: &str) -> Node {
    node(Value::Scalar(Scalar { text: text.into(), is_quoted: false, is_resolved: false }))
}

fn secret(text: &str) -> Node {
    node(Value::Scalar(Scalar { text: text.into(), is_quoted: false, is_resolved: true }))
}

fn map(entries: Vec<(&str, Node)>) -> Node {
    let entry = |(key, value): (&str, Node)| Entry { key: key.into(), place: place(), value };
    node(Value::Map(entries.into_iter().map(entry).collect()))
}

fn list(nodes: Vec<Node>) -> Node {
    node(Value::List(nodes))
}

fn read<T: Setting>(node: &Node) -> (T, Vec<String>) {
    let mut problems = Problems::default();
    let value = T::read(node, &mut problems);
    (value, problems.iter().map(|problem| problem.reason.clone()).collect())
}

#[test]
fn what_is_absent_has_its_default_and_what_is_there_is_read() {
    let (ship, problems) = read::<Ship>(&map(vec![("master", word("ann"))]));
    assert_eq!(problems, [""; 0]);
    assert_eq!((ship.master.as_str(), ship.engine.pistons.get(), ship.sails), ("ann", 4, true));
    assert!(ship.crates.is_empty() && ship.master.place().is_some());
    let crates =
        map(vec![("a", word("5")), ("b", map(vec![("type", word("tea")), ("weight", word("100B"))]))]);
    let full = vec![
        ("crates", crates),
        ("master", word("ann")),
        ("masts", word("3")),
        ("engine", map(vec![("pistons", word("8"))])),
        ("sails", word("false")),
    ];
    let (ship, problems) = read::<Ship>(&map(full));
    assert_eq!(problems, [""; 0]);
    assert_eq!((ship.engine.pistons.get(), ship.sails, ship.masts.len()), (8, false, 1));
    let name = |text| <Label as super::Word>::parse(text).unwrap();
    let tea = &ship.crates.get(&name("b")).unwrap().value;
    assert_eq!((tea.weight.get(), tea.paint, tea.kind.as_deref()), (100, Colour::Blue, Some("tea")));
    assert_eq!(ship.crates.get(&name("a")).unwrap().value.weight.get(), 5);
    assert_eq!(ship.crates.position(&name("b")), Some(1));
    assert!(ship.crates.get(&name("c")).is_none());
}

#[test]
fn a_list_stands_for_a_short_form_that_is_one() {
    let (cargo, problems) =
        read::<Cargo>(&list(vec![word("5"), map(vec![("weight", word("6")), ("paint", word("red"))])]));
    assert_eq!(problems, [""; 0]);
    let crates = cargo.crates.unwrap();
    let weights: Vec<u64> = crates.iter().map(|one| one.weight.get()).collect();
    assert_eq!((weights, crates.place().is_some(), cargo.to), (vec![5, 6], true, None));
    let (_, problems) = read::<Cargo>(&list(vec![word("5"), word("x"), list(vec![word("5")])]));
    let keys = "expected a value or a map with the keys `weight`, `paint`, `type`, `lasts`, found a list";
    assert_eq!(problems, ["`x` is not a size", keys], "a weight is no list");
}

#[test]
fn everything_wrong_is_told_at_once() {
    let heavy = map(vec![
        ("weight", word("101")),
        ("paint", word("rde")),
        ("lasts", word("on")),
        ("size", word("1")),
    ]);
    let wrong = vec![
        ("crates", map(vec![("a", heavy), ("B", word("1")), ("c", map(vec![]))])),
        ("masts", list(vec![word("1"), word("ten"), node(Value::Null)])),
        ("engine", word("large")),
        ("sails", word("yes")),
    ];
    let (_, problems) = read::<Ship>(&map(wrong));
    let expected = [
        "`101` is too large",
        "`rde` is not known here",
        "`on` is not a time",
        "unknown key `size`",
        "`B` is not a name",
        "the key `weight` is missing",
        "the key `master` is missing",
        "`ten` is not a whole number",
        "expected a whole number, found nothing",
        "expected a map with the keys `pistons`, found text",
        "`yes` is not a switch",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn what_was_told_already_is_passed_over_in_silence() {
    let (ship, problems) = read::<Ship>(&map(vec![
        ("crates", node(Value::Refused)),
        ("master", node(Value::Refused)),
        ("masts", list(vec![node(Value::Refused)])),
        ("engine", node(Value::Refused)),
        ("sails", node(Value::Refused)),
    ]));
    assert_eq!(problems, [""; 0]);
    assert!(ship.master.place().is_none(), "a stand-in has no place, so that checks leave it alone");
    let (_, problems) = read::<Ship>(&node(Value::Refused));
    assert_eq!(problems, [""; 0]);
}

#[test]
fn what_came_from_outside_is_never_shown() {
    let hidden = || secret("hunter2");
    let nodes = map(vec![
        (
            "crates",
            map(vec![("a", map(vec![("weight", hidden()), ("paint", hidden()), ("lasts", hidden())]))]),
        ),
        ("master", secret("Hunter2")),
        ("masts", list(vec![hidden()])),
        ("sails", hidden()),
    ]);
    let mut problems = Problems::default();
    Ship::read(&nodes, &mut problems);
    assert_eq!(problems.count(), 6);
    let text = problems.to_string();
    assert!(!text.to_lowercase().contains("hunter2"), "{text}");
    assert!(text.contains("the value of `text` is not a name"), "{text}");
}

#[test]
fn keys_of_a_family_are_gathered_and_the_unknown_ones_refused_later() {
    let (ship, problems) =
        read::<Ship>(&map(vec![("master", word("ann")), ("pennant", word("red")), ("sials", word("x"))]));
    assert_eq!(problems, [""; 0]);
    let rest: &Rest = &ship.flags;
    let keys: Vec<&str> = rest.entries.iter().map(|entry| &*entry.key).collect();
    assert_eq!(keys, ["pennant", "sials"]);
    let mut problems = Problems::default();
    rest.refuse(&rest.entries[1], &["pennant"], &mut problems);
    let told: Vec<_> = problems.iter().map(|problem| (&*problem.reason, problem.hint.as_deref())).collect();
    assert_eq!(told, [("unknown key `sials`", Some("did you mean `sails`?"))]);
}

#[test]
fn equality_ignores_places_and_nothing_else() {
    let ship = |master: &str, masts: &str| {
        read::<Ship>(&map(vec![("master", word(master)), ("masts", word(masts))])).0
    };
    assert_eq!(ship("ann", "2"), ship("ann", "2"));
    assert_ne!(ship("ann", "2"), ship("bob", "2"));
    assert_ne!(ship("ann", "2"), ship("ann", "3"));
}

#[test]
fn the_reference_tells_every_key_with_its_default() {
    let text = super::reference::reference(&Ship::declaration());
    let expected = [
        "## The file\n\nA ship.",
        "| `crates` | by name: keys, below | `{}` | Its crates by name. |",
        "| `master` | a name | must be written | Its master. |",
        "| `masts` | a list: a whole number from 1 to 9 | `[2]` | Its masts, one by one. |",
        "| `sails` | `true` or `false` | `true` | Whether it sails. |",
        "## `crates.NAME`\n\nA box.\n\nShort form: a value alone stands for `weight`.",
        "| `type` | a text |  | What it is made for. |",
        "| `lasts` | a time such as `250ms`, `10s` or `5m` or `off` | `1m` | How long it lasts. |",
        "`paint`:\n- `red`: Like blood.\n- `blue`: Like the sea.",
        "## `engine`\n\nAn engine.",
    ];
    for part in expected {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
}

#[test]
fn the_schema_tells_every_key_once() {
    let mut declaration = Ship::declaration();
    let flag = super::FieldShape::of::<Option<String>>("pennant", "A \"flag\".", None);
    declaration.extend("Ship", &[flag]);
    let text = super::schema::schema(&declaration);
    for part in [
        "\"$schema\": \"https://json-schema.org/draft/2020-12/schema\"",
        "\"required\": [\n    \"master\"\n  ]",
        "\"description\": \"A \\\"flag\\\".\"",
        "\"$ref\": \"#/$defs/Crate\"",
        "\"const\": \"red\"",
        "\"description\": \"Its masts, one by one. Default: `[2]`.\"",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
    assert_eq!(text.matches("\"pistons\": {").count(), 1);
    assert_eq!(
        text.matches("\"pennant\": {").count(),
        1,
        "a family's key stands in the struct that is open for it"
    );
}
