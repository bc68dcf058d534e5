//! What a module's options are: [`Spec`], [`Opt`], [`Kind`].
//!
//! A spec is data. It is written once, by `#[derive(Args)]`, and read by
//! [`check`](crate::check()), by the documentation generator and by tests.

mod json;

use std::borrow::Cow;

use serde_json::Value;

pub use json::SpecError;

/// A name or a text: borrowed where a derive wrote it, owned where JSON did.
pub type Text = Cow<'static, str>;

/// The type of an option, in Ansible's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Text; anything else is turned into text.
    #[default]
    Str,
    /// A whole number; `"12"`, `12.0` and `"1e3"` are whole numbers too.
    Int,
    /// A number with a fraction.
    Float,
    /// A truth value; `"yes"`, `"off"`, `1` and their like are taken.
    Bool,
    /// A list; text is split at commas.
    List,
    /// A dictionary; JSON text and `key=value` text are taken.
    Dict,
    /// Text in which `~` and `$VARIABLE` are expanded.
    Path,
    /// Whatever was given, unchanged.
    Raw,
    /// JSON as text; lists and dictionaries are written as JSON text.
    Json,
}

impl Kind {
    const NAMES: [(&'static str, Self); 10] = [
        ("str", Self::Str),
        ("int", Self::Int),
        ("float", Self::Float),
        ("bool", Self::Bool),
        ("list", Self::List),
        ("dict", Self::Dict),
        ("path", Self::Path),
        ("raw", Self::Raw),
        ("json", Self::Json),
        ("jsonarg", Self::Json),
    ];

    /// The name that argument specs and messages use.
    pub fn name(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(_, kind)| *kind == self);
        named.map_or("str", |(name, _)| name)
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        let named = Self::NAMES.iter().find(|(known, _)| *known == name);
        named.map(|(_, kind)| *kind)
    }
}

/// One option.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opt {
    /// The option's name.
    pub name: Text,
    /// The description, one entry per paragraph.
    pub description: Vec<Text>,
    /// The type.
    pub kind: Kind,
    /// The type of a list's elements.
    pub elements: Option<Kind>,
    /// Whether the option must be given.
    pub required: bool,
    /// The value that stands in when none is given.
    pub default: Option<Value>,
    /// Other names of the option, deprecated ones included.
    pub aliases: Vec<Text>,
    /// Those aliases whose use is reported as deprecated.
    pub deprecated_aliases: Vec<DeprecatedAlias>,
    /// The values that are allowed; for a list, those of its elements.
    pub choices: Option<Vec<Value>>,
    /// Environment variables that stand in, the first one that is set wins.
    pub fallback: Vec<Text>,
    /// Whether the value is a secret; unset where the question does not arise.
    pub no_log: Option<bool>,
    /// The sub-options of a dict, or of each dict in a list.
    pub options: Option<Box<Spec>>,
    /// Whether a dict that was not given still gets its sub-options' defaults.
    pub apply_defaults: bool,
    /// The version in which the option goes away.
    pub removed_in_version: Option<Text>,
    /// The date at which the option goes away.
    pub removed_at_date: Option<Text>,
    /// The collection that the two above speak of.
    pub removed_from_collection: Option<Text>,
}

impl Opt {
    /// Whether the value is a secret.
    pub fn is_secret(&self) -> bool {
        self.no_log == Some(true)
    }

    /// The sub-options, where the type is one that may have them.
    pub(crate) fn sub_spec(&self) -> Option<&Spec> {
        let may_have = self.kind == Kind::Dict
            || (self.kind == Kind::List && self.elements == Some(Kind::Dict));
        self.options.as_deref().filter(|_| may_have)
    }
}

/// An alias that goes away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeprecatedAlias {
    /// The alias.
    pub name: Text,
    /// The version in which it goes away.
    pub version: Option<Text>,
    /// The date at which it goes away, if there is no version.
    pub date: Option<Text>,
    /// The collection whose version is meant.
    pub collection_name: Option<Text>,
}

/// "When `key` is `value`, these are required."
#[derive(Clone, Debug, PartialEq)]
pub struct RequiredIf {
    /// The option that is looked at.
    pub key: Text,
    /// The value that makes the others required.
    pub value: Value,
    /// The options that are then required.
    pub requirements: Vec<Text>,
    /// Whether one of them is enough.
    pub any: bool,
}

/// The options of a module, or the sub-options of one option, and their rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spec {
    /// The options in the order of their declaration, which is also the order
    /// in which they are checked.
    pub options: Vec<Opt>,
    /// Options of which at most one may be given.
    pub mutually_exclusive: Vec<Vec<Text>>,
    /// Options that are given together or not at all.
    pub required_together: Vec<Vec<Text>>,
    /// Options of which at least one must be given.
    pub required_one_of: Vec<Vec<Text>>,
    /// Options that another option's value makes required.
    pub required_if: Vec<RequiredIf>,
    /// Options that another option's presence makes required.
    pub required_by: Vec<(Text, Vec<Text>)>,
    /// Whether the module can tell what it would do; of no meaning below the
    /// top level.
    pub supports_check_mode: bool,
}

impl Spec {
    /// The option of that name (aliases are not looked at).
    pub fn option(&self, name: &str) -> Option<&Opt> {
        self.options.iter().find(|option| option.name == name)
    }

    /// The same, to change it.
    pub fn option_mut(&mut self, name: &str) -> Option<&mut Opt> {
        self.options.iter_mut().find(|option| option.name == name)
    }

    /// Adds an option, in the place of one of the same name if there is one: a
    /// module may declare anew what it shares with others.
    pub fn put(&mut self, option: Opt) {
        match self.option_mut(&option.name) {
            Some(place) => *place = option,
            None => self.options.push(option),
        }
    }

    /// Adds the options and rules of another spec; an option that is already
    /// here stays as it is.
    pub fn merge(&mut self, other: Self) {
        for option in other.options {
            if self.option(&option.name).is_none() {
                self.options.push(option);
            }
        }
        self.mutually_exclusive.extend(other.mutually_exclusive);
        self.required_together.extend(other.required_together);
        self.required_one_of.extend(other.required_one_of);
        self.required_if.extend(other.required_if);
        self.required_by.extend(other.required_by);
    }

    /// What is wrong with the spec itself, for a test over all modules: rules
    /// that name no option, names used twice, defaults that are no choice,
    /// options both required and with a default.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut seen: Vec<&Text> = Vec::new();
        for option in &self.options {
            for name in std::iter::once(&option.name).chain(&option.aliases) {
                if seen.contains(&name) {
                    problems.push(format!("`{name}` names two options"));
                }
                seen.push(name);
            }
            if option.required && option.default.is_some() {
                problems.push(format!("`{}` is required and has a default", option.name));
            }
            if let (Some(default), Some(choices)) = (&option.default, &option.choices) {
                let values = default
                    .as_array()
                    .map_or(std::slice::from_ref(default), Vec::as_slice);
                if values.iter().any(|value| !choices.contains(value)) {
                    problems.push(format!("the default of `{}` is no choice", option.name));
                }
            }
            if let Some(sub) = &option.options {
                problems.extend(
                    sub.problems()
                        .into_iter()
                        .map(|problem| format!("{}: {problem}", option.name)),
                );
            }
        }
        let groups = [
            &self.mutually_exclusive,
            &self.required_together,
            &self.required_one_of,
        ];
        let in_rules = groups
            .into_iter()
            .flatten()
            .flatten()
            .chain(self.required_if.iter().map(|rule| &rule.key))
            .chain(self.required_if.iter().flat_map(|rule| &rule.requirements))
            .chain(self.required_by.iter().map(|(key, _)| key))
            .chain(self.required_by.iter().flat_map(|(_, required)| required));
        for name in in_rules {
            if self.option(name).is_none() {
                problems.push(format!("a rule names `{name}`, which is no option"));
            }
        }
        problems
    }
}
