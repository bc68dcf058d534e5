//! Tables over `plan`.
