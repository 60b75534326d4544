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

/// Mesa's device-selection layer looks for a Wayland display and complains on standard error where there is
/// none, as on every server; this program picks its adapter itself. Left alone if the user configured it.
fn quiet_mesa() {
    let unset = |name| std::env::var_os(name).is_none();
    if cfg!(target_os = "linux") && unset("XDG_RUNTIME_DIR") && unset("MESA_VK_DEVICE_SELECT") {
        #[expect(
            unsafe_code,
            reason = "the standard library's mark for a variable that other threads might read"
        )]
        // SAFETY: the first statement of main; no other thread exists that could read the environment.
        unsafe {
            std::env::set_var("NODEVICE_SELECT", "1")
        };
    }
}
