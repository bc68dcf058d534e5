//! The steps of the check on one level: the top level's options, or the
//! sub-options of one dictionary.

use serde_json::{Map, Value};

use super::convert::convert;
use super::python::{display, equal, type_name};
use super::{State, no_log, rules};
use crate::outcome::Deprecation;
use crate::spec::{Kind, Opt, Spec, Text};

type Values = Map<String, Value>;

impl State<'_> {
    /// Checks one level and those below it. `context` holds the names of the
    /// options above; `prefix` the same with indexes, as `vms[0].`.
    pub(super) fn level<'s>(
        &mut self,
        spec: &'s Spec,
        values: &mut Values,
        context: &mut Vec<&'s str>,
        prefix: &str,
    ) {
        self.fall_back(spec, values);
        self.resolve_aliases(spec, values, context.is_empty(), prefix);
        for option in &spec.options {
            if values
                .get(option.name.as_ref())
                .is_some_and(|value| !value.is_null())
            {
                self.given.insert(format!("{prefix}{}", option.name));
            }
        }
        match no_log::listed(spec, values) {
            Ok(found) => self.no_log_values.extend(found),
            Err(message) => self.errors.push(message),
        }
        if context.is_empty() {
            list_deprecations(spec, values, "", &mut self.deprecations);
        }
        self.find_unsupported(spec, values, context);

        let within = found_in(context);
        self.hold(rules::mutually_exclusive(spec, values), &within);
        self.fill_defaults(spec, values);
        self.hold(rules::required(spec, values), &within);
        self.convert_types(spec, values, context);
        self.hold_choices(spec, values, &within);
        self.hold(rules::required_together(spec, values), &within);
        self.hold(rules::required_one_of(spec, values), &within);
        self.hold(rules::required_if(spec, values), &within);
        self.hold(rules::required_by(spec, values), &within);
        for option in &spec.options {
            if !values.contains_key(option.name.as_ref()) {
                values.insert(option.name.to_string(), Value::Null);
            }
        }
        self.sub_levels(spec, values, context, prefix);
    }

    /// Keeps the message of a rule that is broken.
    fn hold(&mut self, broken: Option<String>, within: &str) {
        self.errors
            .extend(broken.map(|message| format!("{message}{within}")));
    }

    /// Environment variables stand in for options that were not given.
    fn fall_back(&mut self, spec: &Spec, values: &mut Values) {
        for option in &spec.options {
            if values.contains_key(option.name.as_ref()) {
                continue;
            }
            if let Some(value) = option.fallback.iter().find_map(|name| (self.env)(name)) {
                if option.is_secret() && !value.is_empty() {
                    self.no_log_values.insert(value.clone());
                }
                values.insert(option.name.to_string(), value.into());
            }
        }
    }

    /// What was given under an alias becomes the option's value.
    fn resolve_aliases(&mut self, spec: &Spec, values: &mut Values, top: bool, prefix: &str) {
        for option in &spec.options {
            for alias in &option.deprecated_aliases {
                if values.contains_key(alias.name.as_ref()) {
                    let deprecation = Deprecation {
                        msg: format!(
                            "Alias '{prefix}{}' is deprecated. \
                             See the module docs for more information",
                            alias.name
                        ),
                        version: alias.version.as_ref().map(Text::to_string),
                        date: alias.date.as_ref().map(Text::to_string),
                        collection_name: alias.collection_name.as_ref().map(Text::to_string),
                    };
                    if top {
                        self.deprecations.push(deprecation);
                    } else {
                        self.late_deprecations.push(deprecation);
                    }
                }
            }
            for alias in &option.aliases {
                let Some(value) = values.get(alias.as_ref()).cloned() else {
                    continue;
                };
                if values.insert(option.name.to_string(), value).is_some() {
                    let warning = format!(
                        "Both option {prefix}{} and its alias {prefix}{alias} are set.",
                        option.name
                    );
                    let warnings = if top {
                        &mut self.late_warnings
                    } else {
                        &mut self.warnings
                    };
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
            }
        }
    }

    fn find_unsupported(&mut self, spec: &Spec, values: &Values, context: &[&str]) {
        let is_alias = |name: &str| {
            let mut options = spec.options.iter();
            options.any(|option| option.aliases.iter().any(|alias| alias == name))
        };
        for name in values.keys() {
            if spec.option(name).is_some() || is_alias(name) {
                continue;
            }
            let mut path = context.to_vec();
            path.push(name);
            let options = spec.options.iter().map(|option| option.name.as_ref());
            let mut supported: Vec<&str> = options.filter(|name| !is_alias(name)).collect();
            supported.sort_unstable();
            let mut supported = supported.join(", ");
            let mut aliases: Vec<&str> = spec
                .options
                .iter()
                .flat_map(|option| &option.aliases)
                .map(AsRef::as_ref)
                .collect();
            if !aliases.is_empty() {
                aliases.sort_unstable();
                aliases.dedup();
                supported = format!("{supported} ({})", aliases.join(", "));
            }
            self.unsupported.insert(path.join("."), supported);
        }
    }

    fn fill_defaults(&mut self, spec: &Spec, values: &mut Values) {
        for option in &spec.options {
            let Some(default) = &option.default else {
                continue;
            };
            if !values.contains_key(option.name.as_ref()) {
                if option.is_secret() {
                    no_log::texts(default, &mut self.no_log_values);
                }
                values.insert(option.name.to_string(), default.clone());
            }
        }
    }

    fn convert_types(&mut self, spec: &Spec, values: &mut Values, context: &[&str]) {
        for option in &spec.options {
            let Some(value) = values.get_mut(option.name.as_ref()) else {
                continue;
            };
            if value.is_null() && !option.required && option.default.is_none() {
                continue;
            }
            match convert(option.kind, value, self.env) {
                Ok(converted) => {
                    if let Some(converted) = converted {
                        *value = converted;
                    }
                    if let (Some(kind), Value::Array(elements)) = (option.elements, value) {
                        self.convert_elements(option, kind, elements, context);
                    }
                }
                Err(why) => {
                    let within = quoted_context(context, ".");
                    self.errors.push(format!(
                        "argument '{}' is of type {}{within} and we were unable to convert to {}: {why}",
                        option.name,
                        type_name(value),
                        option.kind.name()
                    ));
                }
            }
        }
    }

    /// Converts a list's elements; those that do not convert are left out.
    fn convert_elements(
        &mut self,
        option: &Opt,
        kind: Kind,
        elements: &mut Vec<Value>,
        context: &[&str],
    ) {
        elements.retain_mut(|element| match convert(kind, element, self.env) {
            Ok(converted) => {
                if let Some(converted) = converted {
                    *element = converted;
                }
                true
            }
            Err(why) => {
                let within = quoted_context(context, "");
                self.errors.push(format!(
                    "Elements value for option '{}'{within} is of type {} and we were unable \
                     to convert to {}: {why}",
                    option.name,
                    type_name(element),
                    kind.name()
                ));
                false
            }
        });
    }

    fn hold_choices(&mut self, spec: &Spec, values: &mut Values, within: &str) {
        for option in &spec.options {
            let (Some(choices), Some(value)) =
                (&option.choices, values.get_mut(option.name.as_ref()))
            else {
                continue;
            };
            let is_choice = |value: &Value| choices.iter().any(|choice| equal(choice, value));
            let listed = || choices.iter().map(display).collect::<Vec<_>>().join(", ");
            if let Value::Array(elements) = value {
                let strangers: Vec<String> = elements
                    .iter()
                    .filter(|element| !is_choice(element))
                    .map(display)
                    .collect();
                if !strangers.is_empty() {
                    self.errors.push(format!(
                        "value of {} must be one or more of: {}. Got no match for: {}{within}",
                        option.name,
                        listed(),
                        strangers.join(", ")
                    ));
                }
            } else if !is_choice(value) {
                if let Some(choice) = truth_among(choices, value) {
                    *value = choice;
                } else {
                    self.errors.push(format!(
                        "value of {} must be one of: {}, got: {}{within}",
                        option.name,
                        listed(),
                        display(value)
                    ));
                }
            }
        }
    }

    fn sub_levels<'s>(
        &mut self,
        spec: &'s Spec,
        values: &mut Values,
        context: &mut Vec<&'s str>,
        prefix: &str,
    ) {
        for option in &spec.options {
            let Some(sub_spec) = option.sub_spec() else {
                continue;
            };
            let Some(value) = values.get_mut(option.name.as_ref()) else {
                continue;
            };
            if value.is_null() {
                if !option.apply_defaults {
                    continue;
                }
                *value = Value::Object(Map::new());
            }
            let elements = match value {
                Value::Array(elements) => elements.as_mut_slice(),
                single => std::slice::from_mut(single),
            };
            context.push(&option.name);
            for (index, element) in elements.iter_mut().enumerate() {
                let Value::Object(sub_values) = element else {
                    self.errors.push(format!(
                        "value of '{}' must be of type dict or list of dicts",
                        option.name
                    ));
                    continue;
                };
                let prefix = match option.kind {
                    Kind::List => format!("{prefix}{}[{index}].", option.name),
                    _ => format!("{prefix}{}.", option.name),
                };
                self.level(sub_spec, sub_values, context, &prefix);
            }
            context.pop();
        }
    }
}

/// YAML turned a choice such as `no` into a truth value, and the type `str`
/// made it a text: the one choice that means it is taken.
fn truth_among(choices: &[Value], value: &Value) -> Option<Value> {
    let truth = match value.as_str()? {
        "True" => true,
        "False" => false,
        _ => return None,
    };
    let mut meaning: Vec<&Value> = Vec::new();
    for choice in choices {
        // Only what is spelt exactly so: the choice `Yes` is a word of its own.
        let spelt = choice
            .as_str()
            .is_none_or(|text| text == text.trim().to_lowercase());
        let same = super::convert::truth(choice) == Some(truth);
        if spelt && same && !meaning.iter().any(|known| equal(known, choice)) {
            meaning.push(choice);
        }
    }
    match meaning.as_slice() {
        [only] => Some((*only).clone()),
        _ => None,
    }
}

fn list_deprecations(spec: &Spec, values: &Values, prefix: &str, found: &mut Vec<Deprecation>) {
    for option in &spec.options {
        let Some(value) = values.get(option.name.as_ref()) else {
            continue;
        };
        let name = if prefix.is_empty() {
            option.name.to_string()
        } else {
            format!("{prefix}[\"{}\"]", option.name)
        };
        let (version, date) = match (&option.removed_at_date, &option.removed_in_version) {
            (Some(date), _) => (None, Some(date)),
            (None, version) => (version.as_ref(), None),
        };
        if version.is_some() || date.is_some() {
            found.push(Deprecation {
                msg: format!(
                    "Param '{name}' is deprecated. See the module docs for more information"
                ),
                version: version.map(Text::to_string),
                date: date.map(Text::to_string),
                collection_name: option.removed_from_collection.as_ref().map(Text::to_string),
            });
        }
        if let Some(sub_spec) = &option.options {
            let elements = match value {
                Value::Array(elements) => elements.as_slice(),
                single => std::slice::from_ref(single),
            };
            for sub_values in elements.iter().filter_map(Value::as_object) {
                list_deprecations(sub_spec, sub_values, &name, found);
            }
        }
    }
}

/// ` found in vms -> net`, or nothing at the top level.
fn found_in(context: &[&str]) -> String {
    if context.is_empty() {
        String::new()
    } else {
        format!(" found in {}", context.join(" -> "))
    }
}

/// The same in quotes, as the messages about types have it.
fn quoted_context(context: &[&str], end: &str) -> String {
    if context.is_empty() {
        String::new()
    } else {
        format!(" found in '{}'{end}", context.join(" -> "))
    }
}
