//! The names of keys, and which of them type a letter.

/// The names of QEMU (`QKeyCode`) beside those of letters and digits, which are the letters and digits themselves.
const KEYS: &str = "\
    ac_back ac_bookmarks ac_forward ac_home ac_refresh again alt alt_r apostrophe asterisk audiomute \
    audionext audioplay audioprev audiostop backslash backspace bracket_left bracket_right calculator \
    caps_lock comma compose computer copy ctrl ctrl_r cut delete dot down end equal esc f1 f10 f11 f12 \
    f13 f14 f15 f16 f17 f18 f19 f2 f20 f21 f22 f23 f24 f3 f4 f5 f6 f7 f8 f9 find front grave_accent help \
    henkan hiragana home insert katakanahiragana kp_0 kp_1 kp_2 kp_3 kp_4 kp_5 kp_6 kp_7 kp_8 kp_9 \
    kp_add kp_comma kp_decimal kp_divide kp_enter kp_equals kp_multiply kp_subtract lang1 lang2 left \
    less lf mail mediaselect menu meta_l meta_r minus muhenkan num_lock open paste pause pgdn pgup power \
    print props ret right ro scroll_lock semicolon shift shift_r slash sleep spc stop sysrq tab undo \
    unmapped up volumedown volumeup wake yen";

/// The signs of a keyboard of the United States: the key, what it types, and what it types with shift.
const SIGNS: [(&str, char, char); 11] = [
    ("grave_accent", '`', '~'),
    ("minus", '-', '_'),
    ("equal", '=', '+'),
    ("bracket_left", '[', '{'),
    ("bracket_right", ']', '}'),
    ("backslash", '\\', '|'),
    ("semicolon", ';', ':'),
    ("apostrophe", '\'', '"'),
    ("comma", ',', '<'),
    ("dot", '.', '>'),
    ("slash", '/', '?'),
];

/// What the digits type with shift, from 0 to 9.
const SHIFTED_DIGITS: &str = ")!@#$%^&*(";

/// Whether QEMU has a key of this name.
pub(super) fn is_key(name: &str) -> bool {
    let mut letters = name.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => letter.is_ascii_lowercase() || letter.is_ascii_digit(),
        _ => KEYS.split_whitespace().any(|key| key == name),
    }
}

/// The keys that type a letter; nothing for one that is not on the keyboard.
pub(super) fn typed(letter: char) -> Option<String> {
    if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
        return Some(letter.to_string());
    }
    if letter.is_ascii_uppercase() {
        return Some(format!("shift-{}", letter.to_ascii_lowercase()));
    }
    if let Some(digit) = SHIFTED_DIGITS.find(letter) {
        return Some(format!("shift-{digit}"));
    }
    match letter {
        ' ' => return Some("spc".to_owned()),
        '\n' => return Some("ret".to_owned()),
        '\t' => return Some("tab".to_owned()),
        _ => {}
    }
    SIGNS.iter().find_map(|(key, plain, shifted)| {
        if letter == *plain {
            Some((*key).to_owned())
        } else if letter == *shifted {
            Some(format!("shift-{key}"))
        } else {
            None
        }
    })
}
