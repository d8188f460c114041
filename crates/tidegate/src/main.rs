//! The program: command line and assembly. The only crate that names every member of every family.

fn main() {
    println!("tidegate {}", env!("CARGO_PKG_VERSION"));
}
