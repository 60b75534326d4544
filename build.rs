//! Embeds the shaders: writes the list of all of them that `src/gpu/wgsl.rs` includes.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=shaders");
    let mut list = String::new();
    for folder in ["common/", ""] {
        let files = fs::read_dir(Path::new("shaders").join(folder))?.map(|file| Ok(file?.file_name()));
        let mut names = files.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names.iter().filter_map(|n| n.to_str()).filter(|n| n.ends_with(".wgsl")) {
            let path = format!("{folder}{name}");
            list += &format!(
                "({path:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/shaders/{path}\"))),\n"
            );
        }
    }
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo runs this"))?;
    fs::write(Path::new(&out).join("sources.rs"), format!("&[\n{list}]\n"))
}
