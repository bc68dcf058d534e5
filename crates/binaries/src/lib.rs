//! One small executable per module; they stand in `src/bin`, a line each, generated.

use ansible::Module;

/// The module of that name, found while compiling, so that the executable holds no other module's code. A name that
/// is not in the list does not compile: the index goes past its end.
pub const fn named(name: &str) -> Module {
    let mut index = 0;
    while !is_same(modules::MODULES[index].name, name) {
        index += 1;
    }
    modules::MODULES[index]
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}
