//! Sizes of disks.

use std::fmt;
use std::str::FromStr;

/// A size in bytes, read and written as the API does: `40G`, `1.5T`, `4096`.
///
/// Units are powers of 1024; their letters are taken in either case. As on
/// the server, a part of a byte (`0.1K`) is cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// What a resize asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// To that size: `40G`.
    To(Size),
    /// By that much: `+5G`.
    By(Size),
}

/// A text that is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not of the form.
    #[error("`{0}` is not a size: expected a number with K, M, G or T after it, such as 40G")]
    Form(String),
    /// More than a disk can have.
    #[error("the size `{0}` is too large")]
    TooLarge(String),
}

/// The units, each with the number of bits that it shifts by.
const UNITS: [(char, u32); 4] = [('T', 40), ('G', 30), ('M', 20), ('K', 10)];

impl Size {
    /// A size of so many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// As an allocation takes it, `local-lvm:32`: GiB, as a decimal. Thousandths are finer
    /// than any storage allocates; rounded up, so that it is not too small.
    pub fn in_gibibytes(self) -> String {
        const GIB: u64 = 1 << 30;
        let (whole, rest) = (self.0 / GIB, self.0 % GIB);
        if rest == 0 {
            return whole.to_string();
        }
        let thousandths = (rest * 1000).div_ceil(GIB);
        let (whole, thousandths) = (whole + thousandths / 1000, thousandths % 1000);
        format!("{whole}.{thousandths:03}")
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let form = || SizeError::Form(text.to_owned());
        let too_large = || SizeError::TooLarge(text.to_owned());
        let trimmed = text.trim();
        let (number, shift) = UNITS
            .iter()
            .find_map(|&(letter, shift)| {
                let number = trimmed.strip_suffix([letter, letter.to_ascii_lowercase()])?;
                Some((number, shift))
            })
            .unwrap_or((trimmed, 0));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let decimal =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !decimal(whole) || !decimal(fraction) {
            return Err(form());
        }
        let unit = 1u64 << shift;
        let whole = whole
            .parse::<u64>()
            .ok()
            .and_then(|whole| whole.checked_mul(unit))
            .ok_or_else(too_large)?;
        whole
            .checked_add(fraction_of(unit, fraction))
            .map(Self)
            .ok_or_else(too_large)
    }
}

/// `0.fraction` of a unit in whole bytes, without floating point.
fn fraction_of(unit: u64, fraction: &str) -> u64 {
    let unit = u128::from(unit);
    // 24 digits times 2^40 fit; what lies behind them is far below a byte.
    let digits = &fraction.as_bytes()[..fraction.len().min(24)];
    let (numerator, scale) = digits.iter().fold((0u128, 1u128), |(sum, scale), digit| {
        (sum * 10 + u128::from(digit - b'0'), scale * 10)
    });
    u64::try_from(numerator * unit / scale).unwrap_or_default()
}

impl fmt::Display for Size {
    /// The largest unit that divides the size: `1536G` for 1.5 TiB.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS
            .iter()
            .find(|(_, shift)| self.0 != 0 && self.0.trailing_zeros() >= *shift)
        {
            Some((letter, shift)) => write!(formatter, "{}{letter}", self.0 >> shift),
            None => write!(formatter, "{}", self.0),
        }
    }
}

impl Growth {
    /// The size that a disk of the size `have` gets.
    pub fn target(self, have: Size) -> Size {
        match self {
            Self::To(size) => size,
            Self::By(size) => Size(have.0.saturating_add(size.0)),
        }
    }
}

impl FromStr for Growth {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        match text.trim().strip_prefix('+') {
            Some(size) => size.parse().map(Self::By),
            None => text.parse().map(Self::To),
        }
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(size) => size.fmt(formatter),
            Self::By(size) => write!(formatter, "+{size}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Growth, Size, SizeError};
    use proptest::prelude::*;

    #[test]
    fn one_size_has_many_spellings() {
        for text in [
            "40G",
            "40g",
            "40.0G",
            "40960M",
            "41943040K",
            "42949672960",
            " 40G ",
        ] {
            assert_eq!(text.parse(), Ok(Size::from_bytes(40 << 30)), "{text}");
        }
        assert_eq!("1.5T".parse(), Ok(Size::from_bytes(3 << 39)));
        // The server cuts off parts of a byte.
        assert_eq!("0.1G".parse(), Ok(Size::from_bytes(107_374_182)));
        assert_eq!(
            "0.9999999999999999999999999999999T".parse(),
            Ok(Size::from_bytes((1 << 40) - 1))
        );
    }

    #[test]
    fn a_size_is_written_in_the_largest_unit_that_divides_it() {
        for (bytes, text) in [
            (0, "0"),
            (1000, "1000"),
            (4 << 20, "4M"),
            (528 << 10, "528K"),
            (3 << 39, "1536G"),
            (1 << 40, "1T"),
        ] {
            assert_eq!(Size::from_bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn an_allocation_is_never_smaller_than_asked() {
        for (text, gibibytes) in [
            ("32G", "32"),
            ("512M", "0.500"),
            ("1T", "1024"),
            ("1", "0.001"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.in_gibibytes(), gibibytes, "{text}");
        }
        let almost = Size::from_bytes((2 << 30) - 1);
        assert_eq!(almost.in_gibibytes(), "2.000");
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "", "G", "-1G", "4X", "4GB", "1e3", "1.G", ".5G", "1.2.3G", "+1G",
        ] {
            assert_eq!(text.parse::<Size>(), Err(SizeError::Form(text.to_owned())));
        }
        for text in ["99999999999T", "99999999999999999999999"] {
            assert_eq!(
                text.parse::<Size>(),
                Err(SizeError::TooLarge(text.to_owned()))
            );
        }
    }

    #[test]
    fn growth_is_to_or_by() {
        let have = Size::from_bytes(10 << 30);
        for (text, target) in [("40G", 40), ("+5G", 15)] {
            let growth: Growth = text.parse().unwrap();
            assert_eq!(growth.target(have), Size::from_bytes(target << 30));
            assert_eq!(growth.to_string(), text);
        }
        assert!("++5G".parse::<Growth>().is_err());
    }

    proptest! {
        #[test]
        fn a_size_survives_being_written_and_read(bytes: u64) {
            let size = Size::from_bytes(bytes);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn halves_are_exact(half in 0u64..1 << 20) {
            let text = format!("{}.{}G", half / 2, if half % 2 == 0 { 0 } else { 5 });
            prop_assert_eq!(text.parse(), Ok(Size::from_bytes(half << 29)));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = text.parse::<Growth>();
        }
    }
}
