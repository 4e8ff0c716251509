//! The binary: everything is in the library, and all that prints is in `goldsmith::cli`.

fn main() {
    goldsmith::cli::main()
}
