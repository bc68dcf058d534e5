//! The names under which arguments are given: aliases, unknown ones, and those
//! that go away.

use serde_json::Value;

use super::State;
use super::level::Values;
use crate::outcome::Deprecation;
use crate::spec::{Spec, Text};

impl State<'_> {
    /// What was given under an alias becomes the option's value.
    pub(super) fn resolve_aliases(
        &mut self,
        spec: &Spec,
        values: &mut Values,
        top: bool,
        prefix: &str,
    ) {
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

    /// Keeps each name that is no option, with what is known beside it.
    pub(super) fn find_unsupported(&mut self, spec: &Spec, values: &Values, context: &[&str]) {
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
}

/// Tells each option that is given and goes away.
pub(super) fn list_deprecations(
    spec: &Spec,
    values: &Values,
    prefix: &str,
    found: &mut Vec<Deprecation>,
) {
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
