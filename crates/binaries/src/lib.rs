//! The executables are in `src/bin`, generated.
