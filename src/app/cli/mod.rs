//! The command line: one file per subcommand. Parsing decides nothing; each command turns its arguments
//! into calls of the library and its result into text or JSON on standard output.

mod adapters;
mod args;
mod bench;
mod completions;
mod data;
mod doctor;
mod eval;
mod export;
mod flags;
mod gpu_report;
mod label;
mod likeness;
mod load;
mod model;
pub mod output;
mod pick;
mod profile;
mod reproduce;
mod sample;
mod trace_step;
mod train;

pub use crate::app::run::config::check as check_settings;

use crate::error::Result;
use clap::{Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  2    a setting or argument that makes no sense
  3    a mistake in a model, configuration or label file (its line is named)
  4    data missing, broken or not downloadable
  5    no usable adapter, or the GPU or its driver failed
  6    a file or folder that cannot be read or written, or an output folder in use
  7    a checkpoint that is broken or belongs to another model
  8    training diverged: a loss or parameter became NaN or infinite
  130  interrupted with Ctrl-C, after saving (by another signal 128 and its number: SIGTERM 143, SIGHUP 129)

Results go to standard output, progress and errors to standard error. NO_COLOR is respected.
SSGAN_CACHE_DIR names the folder for downloads, measured roofs and tiles.";

/// Semi-supervised GAN training through wgpu: a hundred labels, many images, every pass a WGSL shader.
#[derive(Debug, Parser)]
#[command(name = "ssgan", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the adapters (GPUs and software renderers) that can be used
    Adapters(adapters::Args),
    /// Check adapter, driver, data and folders, and say what to install
    Doctor(doctor::Args),
    /// Check and time everything on an adapter, and write a page to send to whoever maintains the program
    GpuReport(gpu_report::Args),
    /// Train a model and write a run folder
    Train(train::Args),
    /// Train the report's four models and the recipes `quick` and `best` over several label seeds, and write a page beside its
    /// numbers
    #[command(mut_arg("dataset", |a| a.help("Data set [default: mnist; with --quick digits]")))]
    Reproduce(reproduce::Args),
    /// Test a trained model: accuracy, classes, confusion matrix
    #[command(mut_arg("dataset", |a| a.help("Data set to test on [default: the run's]")))]
    #[command(mut_arg("data_dir", |a| a.help("Folder of IDX files, plain or gzipped [default: the run's]")))]
    Eval(eval::Args),
    /// Choose which of your images to label first, before there is a model, and write a page or a table to label them
    Pick(pick::Args),
    /// Label images with a trained model: labels.csv, class folders, what to label next, a page to look through
    Label(label::Args),
    /// Draw images with a trained generator
    Sample(sample::Args),
    /// Write a trained classifier for other programs, as an ONNX model
    Export(export::Args),
    /// Show a model's layers, shapes, parameters and operations
    Model(model::Args),
    /// Download, describe or show a data set
    Data(data::Args),
    /// Time a training step kernel by kernel, against what the adapter can do at most
    Profile(profile::Args),
    /// Time the variants of a kernel, verified first, or whole training steps
    Bench(bench::Args),
    /// Write everything that one training step computes, for replay elsewhere
    TraceStep(trace_step::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// Runs one command.
///
/// # Errors
/// Whatever the command meets; [`output::fail`] prints it.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Adapters(a) => adapters::run(&a),
        Command::Doctor(a) => doctor::run(&a),
        Command::GpuReport(a) => gpu_report::run(&a),
        Command::Train(a) => train::run(&a),
        Command::Reproduce(a) => reproduce::run(&a),
        Command::Eval(a) => eval::run(&a),
        Command::Pick(a) => pick::run(&a),
        Command::Label(a) => label::run(&a),
        Command::Sample(a) => sample::run(&a),
        Command::Export(a) => export::run(&a),
        Command::Model(a) => model::run(&a),
        Command::Data(a) => data::run(&a),
        Command::Profile(a) => profile::run(&a),
        Command::Bench(a) => bench::run(&a),
        Command::TraceStep(a) => trace_step::run(&a),
        Command::Completions(a) => completions::run(&a),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn every_exit_code_is_documented() {
        use crate::error::Error;
        let s = String::new;
        let file = || Error::io("read", "x")(std::io::Error::other("x"));
        let all = [
            Error::Usage(s()),
            Error::Text { file: s(), line: 1, reason: s() },
            Error::Data(s()),
            Error::Adapter(s()),
            file(),
            Error::Checkpoint { path: "x".into(), reason: s() },
            Error::Diverged(s()),
            Error::Interrupted(s()),
        ];
        for e in all {
            let code = format!("\n  {:<5}", e.exit_code());
            assert!(super::EXIT_CODES.contains(&code), "{code:?} of {e:?}");
        }
    }
}
