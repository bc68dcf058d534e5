//! From checked values to a struct: the traits behind `#[derive(Args)]` and
//! `#[derive(Choice)]`.

mod read;

use serde_json::{Map, Value};

use crate::check::{CheckError, check};
use crate::spec::{Opt, Spec};

pub use read::{describe_choice, describe_struct, flattened, no_choice, option, read, read_struct};

/// A struct whose fields are a module's options, or an option's sub-options.
pub trait Args: Sized {
    /// The options and their rules.
    fn spec() -> Spec;

    /// Reads the fields from values that [`check`](crate::check()) has passed.
    /// A key that is missing and one that is `null` are the same.
    fn from_values(values: &Map<String, Value>) -> Result<Self, ArgsError>;

    /// Checks arguments and reads them in one go, without an environment: for
    /// tests and for values that come from no task.
    fn parse(raw: Map<String, Value>) -> Result<Self, ParseError> {
        let checked = check("", &Self::spec(), raw, &|_| None)?;
        Ok(Self::from_values(&checked.values)?)
    }
}

/// An enum whose variants are an option's choices.
pub trait Choice: Sized + 'static {
    /// All choices with their variants, in the order of declaration.
    const CHOICES: &'static [(&'static str, Self)];

    /// The choice's name.
    fn name(&self) -> &'static str;
}

/// A type that an option can have.
pub trait FromValue: Sized {
    /// Writes the type, its elements, choices, sub-options and secrecy into
    /// the option.
    fn describe(option: &mut Opt);

    /// Reads a value that is not `null`.
    fn from_value(value: &Value) -> Result<Self, ArgsError>;

    /// What an option that was not given becomes, where there is such a thing.
    fn absent() -> Option<Self> {
        None
    }
}

/// A value that passed the check and still does not fit the field: a number
/// that is out of range, or an option that the caller left out by itself.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("value of {path} must be {expected}, got: {got}")]
pub struct ArgsError {
    /// The option, as in `vms[0].net.port`.
    path: String,
    expected: String,
    got: String,
}

impl ArgsError {
    /// An error at the value itself; [`ArgsError::at`] tells where that is.
    /// `got` must not hold a secret.
    pub fn new(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            expected: expected.into(),
            got: got.into(),
        }
    }

    /// The same error, seen from the option that holds the value.
    #[must_use]
    pub fn at(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }
}

impl From<ArgsError> for crate::Failure {
    fn from(error: ArgsError) -> Self {
        Self::new(error.to_string())
    }
}

/// Why [`Args::parse`] has no struct to give.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// The arguments break the spec.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A value does not fit its field.
    #[error(transparent)]
    Args(#[from] ArgsError),
}
