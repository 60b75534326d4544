//! The `ssgan` program: parse, run, report. Everything else is in the library.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_mesa();
    match ssgan::app::cli::Cli::try_parse() {
        Ok(cli) => match ssgan::app::cli::run(cli) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => ssgan::app::cli::output::fail(&e),
        },
        Err(e) => {
            // Help and version go to standard output with status 0, mistakes to standard error with 2.
            let _ = e.print();
            ExitCode::from(e.exit_code() as u8)
        }
    }
}

/// Settings of Mesa's, left alone where the user has made them. Its device-selection layer looks for a Wayland display and
/// complains on standard error where there is none, as on every server; this program picks its adapter itself. And where no
/// home folder can be written, Mesa compiles every shader anew at every start (14 s instead of 2) unless it is told of
/// another place: ours.
fn quiet_mesa() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let unset = |names: &[&str]| names.iter().all(|name| std::env::var_os(name).is_none());
    let mut variables = vec![];
    if unset(&["XDG_RUNTIME_DIR", "MESA_VK_DEVICE_SELECT"]) {
        variables.push(("NODEVICE_SELECT", "1".into()));
    }
    if unset(&["MESA_SHADER_CACHE_DIR", "MESA_GLSL_CACHE_DIR", "XDG_CACHE_HOME"])
        && let Some(folder) =
            std::env::var_os("SSGAN_CACHE_DIR").filter(|dir| !dir.is_empty() && !home_is_writable())
    {
        let folder = std::path::Path::new(&folder).join("mesa");
        let _ = std::fs::create_dir_all(&folder);
        variables.push(("MESA_SHADER_CACHE_DIR", folder.into_os_string()));
    }
    #[expect(unsafe_code, reason = "the standard library's mark for variables that other threads might read")]
    // SAFETY: the first statement of main; no other thread exists that could read the environment.
    unsafe {
        variables.iter().for_each(|(name, value)| std::env::set_var(name, value));
    }
}

/// Whether something can be kept in the home folder, or its cache folder where there is one.
fn home_is_writable() -> bool {
    let Some(home) = std::env::var_os("HOME").map(std::path::PathBuf::from) else { return false };
    let cache = home.join(".cache");
    tempfile::tempfile_in(if cache.is_dir() { cache } else { home }).is_ok()
}
