//! ferrox.
fn main() {}
