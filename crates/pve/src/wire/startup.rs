//! The start-up order of a guest.

use std::fmt;
use std::str::FromStr;

use super::kind::Kind;
use super::property::{PropertyError, PropertyString};

/// `startup`: `order=1,up=30,down=60`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Startup {
    /// The place in the order. Guests with one start before those without,
    /// and shut down after them.
    pub order: Option<u32>,
    /// Seconds to wait after its start before the next one starts.
    pub up: Option<u32>,
    /// Seconds that it is given to shut down.
    pub down: Option<u32>,
}

/// A text that is not a `startup`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartupError {
    /// Not a property string.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// A key that it does not have.
    #[error("`{0}` is not a key of startup: order, up and down are")]
    UnknownKey(String),
    /// Not a number.
    #[error("`{key}={value}`: expected a whole number")]
    NotANumber {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
}

impl FromStr for Startup {
    type Err = StartupError;

    fn from_str(text: &str) -> Result<Self, StartupError> {
        let mut startup = Self::default();
        for (key, value) in PropertyString::parse(Kind::STARTUP, text)?.iter() {
            let field = match key {
                "order" => &mut startup.order,
                "up" => &mut startup.up,
                "down" => &mut startup.down,
                unknown => return Err(StartupError::UnknownKey(unknown.to_owned())),
            };
            *field = Some(value.parse().map_err(|_| StartupError::NotANumber {
                key: key.to_owned(),
                value: value.to_owned(),
            })?);
        }
        Ok(startup)
    }
}

impl fmt::Display for Startup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("order", self.order), ("up", self.up), ("down", self.down)]
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| format!("{key}={value}")));
        formatter.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::Startup;
    use proptest::prelude::*;

    #[test]
    fn a_number_alone_is_the_order() {
        let startup: Startup = "3,down=60,up=0".parse().unwrap();
        assert_eq!(
            (startup.order, startup.up, startup.down),
            (Some(3), Some(0), Some(60))
        );
        assert_eq!(startup.to_string(), "order=3,up=0,down=60");
        assert_eq!("".parse(), Ok(Startup::default()));
    }

    #[test]
    fn faults_are_named() {
        for (text, message) in [
            ("order=first", "`order=first`: expected a whole number"),
            (
                "order=1,wait=2",
                "`wait` is not a key of startup: order, up and down are",
            ),
            ("1,order=2", "the key `order` stands twice"),
        ] {
            assert_eq!(text.parse::<Startup>().unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn it_survives_being_written_and_read(order: Option<u32>, up: Option<u32>, down: Option<u32>) {
            let startup = Startup { order, up, down };
            prop_assert_eq!(startup.to_string().parse(), Ok(startup));
        }
    }
}
