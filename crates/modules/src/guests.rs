//! Guests: virtual machines and containers.

pub mod wait;
