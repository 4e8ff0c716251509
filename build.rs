//! The roles are part of the binary; the compiler does not know that it depends on their files.
fn main() {
    println!("cargo::rerun-if-changed=provisioners");
}
