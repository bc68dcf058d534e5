//! Small objects of Proxmox VE: looked up, compared field by field, and
//! created, changed or removed. What is the same for roles, users, pools and
//! realms stands here; a [`Resource`] says what differs.

mod fields;

use std::time::Duration;

use ansible::{Choice, Failure};
use pve::plan::{Lost, Probe, Verdict};
use pve::{Call, Cluster, Plan, Step, Track, Verb};
use serde_json::{Map, Value, json};

pub use fields::{Field, Fields, stated};

use crate::fault;

/// The server waits up to 10 s for the lock on a file of `/etc/pve`: a write
/// that has not taken effect by then will not.
pub(crate) const QUIET: Duration = Duration::from_secs(10);

/// More than a write needs that waits for the lock, is looked for and repeated.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A kind of small object, and how the API speaks of it.
#[derive(Clone, Copy, Debug)]
pub struct Resource {
    /// What it is called: `role`.
    pub thing: &'static str,
    /// The field that names it: `roleid`.
    pub key: &'static str,
    /// The file that its writes lock: they take turns.
    pub file: &'static str,
    /// The request that makes one of this id.
    pub create: fn(&str) -> Call,
    /// The request that changes or removes the one of this id.
    pub write: fn(Verb, &str) -> Call,
    /// The question whose answer [`read`](Self::read) understands.
    pub look: fn(&str) -> Call,
    /// The fields of the one of this id, all of them, out of that answer; `None` where it has none
    /// of that id.
    pub read: fn(&Value, &str) -> Option<Fields>,
    /// What the server makes of fields that it is not told when it makes one.
    pub fresh: fn() -> Fields,
    /// How a field is emptied.
    pub emptied: Emptied,
}

/// How a field that has a value is made to have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptied {
    /// By an empty value.
    Empty,
    /// By its name in the parameter `delete`.
    Delete,
}

/// Whether an object is there: the option `state`.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Present,
    /// It is not.
    Absent,
}

impl State {
    /// What is wanted of an object whose fields are stated so.
    pub fn wish(self, stated: Fields) -> Wish {
        match self {
            Self::Present => Wish::Present(stated),
            Self::Absent => Wish::Absent,
        }
    }
}

/// What is wanted of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It is there, with these fields.
    Present(Fields),
    /// It is not there.
    Absent,
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is made.
    Created,
    /// It is there, and changed.
    Changed,
    /// It is taken away.
    Removed,
    /// It is there, and as it is wanted.
    Kept,
    /// It is not there, and shall not be.
    Missed,
}

impl Fate {
    /// As the drop-in modules of objects with a comment say it.
    pub fn told(self) -> &'static str {
        match self {
            Self::Created => "successfully created",
            Self::Changed => "successfully updated",
            Self::Removed => "successfully deleted",
            Self::Kept => "already exists",
            Self::Missed => "doesn't exist",
        }
    }
}

/// What makes an object as it is wanted.
#[derive(Debug)]
pub struct Change {
    /// What becomes of it.
    pub fate: Fate,
    /// The fields that are wanted otherwise than they are.
    pub differs: Vec<&'static str>,
    /// The fields that are stated.
    pub stated: Fields,
    /// The object as it is; null where there is none.
    pub before: Value,
    /// The object as it will be.
    pub after: Value,
    /// The write, if one is due.
    pub step: Option<Step>,
    thing: &'static str,
    id: String,
}

impl Resource {
    /// The object as it is, if there is one.
    pub fn find(&self, cluster: &Cluster, id: &str) -> Result<Option<Fields>, Failure> {
        match cluster.get(&(self.look)(id)) {
            Ok(answer) => Ok((self.read)(&answer, id)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(fault::unable(
                &format!("read {} `{id}`", self.thing),
                &error,
            )),
        }
    }

    /// What makes the object as it is wanted.
    pub fn change(&self, id: &str, have: Option<&Fields>, wish: &Wish) -> Change {
        let (fate, differs) = match (have, wish) {
            (None, Wish::Absent) => (Fate::Missed, Vec::new()),
            (Some(_), Wish::Absent) => (Fate::Removed, Vec::new()),
            (None, Wish::Present(stated)) => (Fate::Created, stated.keys().copied().collect()),
            (Some(have), Wish::Present(stated)) => {
                let differs: Vec<&'static str> = stated
                    .iter()
                    .filter(|(name, field)| !same(have.get(*name), field))
                    .map(|(name, _)| *name)
                    .collect();
                let fate = if differs.is_empty() {
                    Fate::Kept
                } else {
                    Fate::Changed
                };
                (fate, differs)
            }
        };
        let after = match wish {
            Wish::Absent => None,
            Wish::Present(stated) => {
                let mut after = have.cloned().unwrap_or_else(self.fresh);
                let written = stated.iter().filter(|(name, _)| differs.contains(name));
                after.extend(written.map(|(name, field)| (*name, field.clone())));
                Some(after)
            }
        };
        let step = self.step(id, fate, &differs, wish);
        let stated = match wish {
            Wish::Absent => Fields::new(),
            Wish::Present(stated) => stated.clone(),
        };
        Change {
            fate,
            differs,
            stated,
            before: self.shown(id, have),
            after: self.shown(id, after.as_ref()),
            step: step.map(|step| {
                step.claims(self.file, 1)
                    .lost(self.look_up(id, wish))
                    .within(LIMIT)
            }),
            thing: self.thing,
            id: id.to_owned(),
        }
    }

    fn step(&self, id: &str, fate: Fate, differs: &[&'static str], wish: &Wish) -> Option<Step> {
        let fields = match wish {
            Wish::Present(fields) => fields.clone(),
            Wish::Absent => Fields::new(),
        };
        let call = match fate {
            Fate::Created => {
                let fresh = (self.fresh)();
                let call = fields
                    .iter()
                    .filter(|(name, field)| !same(fresh.get(*name), field))
                    .fold((self.create)(id), |call, (name, field)| {
                        call.with(*name, field.param())
                    });
                return Some(Step::call("create", "created", call));
            }
            Fate::Changed => (self.write)(Verb::Put, id),
            Fate::Removed => {
                let call = (self.write)(Verb::Delete, id);
                return Some(Step::call("remove", "removed", call));
            }
            Fate::Kept | Fate::Missed => return None,
        };
        let (deleted, set): (Vec<_>, Vec<_>) = fields
            .iter()
            .filter(|(name, _)| differs.contains(name))
            .partition(|(_, field)| self.emptied == Emptied::Delete && field.is_empty());
        let mut call = set
            .into_iter()
            .fold(call, |call, (name, field)| call.with(*name, field.param()));
        if !deleted.is_empty() {
            let names: Vec<&str> = deleted.iter().map(|(name, _)| **name).collect();
            call = call.with("delete", names.join(","));
        }
        Some(Step::call("change", "changed", call))
    }

    /// The object is as it shall be, or it is not: that tells whether a write
    /// took effect whose answer was lost. A second POST or DELETE would fail.
    fn look_up(&self, id: &str, wish: &Wish) -> Lost {
        let (read, id, wish) = (self.read, id.to_owned(), wish.clone());
        let probe = Probe::get((self.look)(&id), move |answer| {
            let have = match answer {
                Ok(answer) => read(answer, &id),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Verdict::NotYet(error.to_string()),
            };
            let holds = match (&have, &wish) {
                (None, Wish::Absent) => true,
                (Some(have), Wish::Present(stated)) => stated
                    .iter()
                    .all(|(name, field)| same(have.get(name), field)),
                _ => false,
            };
            if holds {
                Verdict::Holds(None)
            } else {
                Verdict::Absent
            }
        });
        Lost::Look {
            probe,
            quiet: QUIET,
        }
    }

    fn shown(&self, id: &str, fields: Option<&Fields>) -> Value {
        fields.map_or(Value::Null, |fields| {
            let mut shown = Map::from_iter([(self.key.to_owned(), json!(id))]);
            for (name, field) in fields {
                shown.insert((*name).to_owned(), field.shown());
            }
            Value::Object(shown)
        })
    }
}

/// A field that the server does not have is the same as an empty one.
fn same(have: Option<&Field>, want: &Field) -> bool {
    have.map_or(want.is_empty(), |have| have == want)
}

impl Change {
    /// The track that carries it out, if anything is to be written.
    pub fn track(&mut self) -> Option<Track> {
        let step = self.step.take()?;
        Some(Track::new(self.thing, self.id.clone(), vec![step]))
    }

    /// The plan of a module that manages this object alone.
    pub fn plan(mut self) -> Plan {
        let track = self.track();
        Plan {
            tracks: track.into_iter().collect(),
            before: or_empty(self.before),
            after: or_empty(self.after),
            ..Plan::default()
        }
    }
}

/// In a diff nothing is an empty object.
pub fn or_empty(value: Value) -> Value {
    if value.is_null() { json!({}) } else { value }
}

#[cfg(test)]
mod tests {
    use super::{Emptied, Fate, Field, Fields, Resource, Wish};
    use pve::{Call, path};
    use serde_json::{Value, json};

    const THING: Resource = Resource {
        thing: "thing",
        key: "id",
        file: "things.cfg",
        create: |id| Call::post(path!("things")).with("id", id),
        write: |verb, id| Call::new(verb, path!("things", id)),
        look: |id| Call::get(path!("things", id)),
        read: |_, _| None,
        fresh: || Fields::from([("on", Field::from(true))]),
        emptied: Emptied::Empty,
    };

    fn fields(value: &Value) -> Fields {
        let mut fields = Fields::new();
        if let Some(comment) = value["comment"].as_str() {
            fields.insert("comment", Field::from(comment));
        }
        if let Some(names) = value["names"].as_array() {
            let names = names.iter().map(|name| name.as_str().unwrap().to_owned());
            fields.insert("names", Field::Set(names.collect()));
        }
        if let Some(on) = value["on"].as_bool() {
            fields.insert("on", Field::from(on));
        }
        fields
    }

    #[test]
    fn what_is_not_stated_is_not_touched() {
        let cases = [
            (json!(null), json!({}), Fate::Created, "POST /things id=x"),
            (
                json!(null),
                json!({"comment": "a", "names": ["b", "a"], "on": false}),
                Fate::Created,
                "POST /things id=x comment=a names=a,b on=0",
            ),
            (
                json!(null),
                json!({"comment": "", "names": [], "on": true}),
                Fate::Created,
                "POST /things id=x",
            ),
            (json!({"comment": "a"}), json!({}), Fate::Kept, ""),
            (json!({}), json!({"comment": ""}), Fate::Kept, ""),
            (
                json!({"names": ["a", "b"]}),
                json!({"names": ["b", "a"]}),
                Fate::Kept,
                "",
            ),
            (
                json!({"comment": "a", "on": true}),
                json!({"comment": "a", "on": false}),
                Fate::Changed,
                "PUT /things/x on=0",
            ),
            (
                json!({"comment": "a"}),
                json!({"comment": ""}),
                Fate::Changed,
                "PUT /things/x comment=",
            ),
            (
                json!({"comment": "a"}),
                json!(null),
                Fate::Removed,
                "DELETE /things/x",
            ),
            (json!(null), json!(null), Fate::Missed, ""),
        ];
        for (have, want, fate, call) in cases {
            let wish = if want.is_null() {
                Wish::Absent
            } else {
                Wish::Present(fields(&want))
            };
            let before = (!have.is_null()).then(|| fields(&have));
            let change = THING.change("x", before.as_ref(), &wish);
            assert_eq!(change.fate, fate, "{have} {want}");
            let plan = change.plan();
            assert_eq!(plan.calls().join("; "), call, "{have} {want}");
            assert_eq!(plan.changes(), plan.before != plan.after, "{have} {want}");
        }
    }

    #[test]
    fn a_field_may_be_emptied_by_its_name() {
        let realm = Resource {
            emptied: Emptied::Delete,
            ..THING
        };
        let have = fields(&json!({"comment": "a", "names": ["a"], "on": true}));
        let wish = Wish::Present(fields(&json!({"comment": "", "names": [], "on": false})));
        let plan = realm.change("x", Some(&have), &wish).plan();
        assert_eq!(plan.calls(), ["PUT /things/x on=0 delete=comment,names"]);
        assert_eq!(
            plan.after,
            json!({"id": "x", "comment": "", "names": [], "on": false})
        );
    }
}
