//! The report's experiment as a plan of training runs, and the page that shows them beside the report.
//!
//! The report: "Projet Deep Learning: Salimans 16" (January 2021), a student's implementation of Salimans et al. 2016
//! with a dense and a convolutional discriminator. Its published numbers are in [`plan`], with the settings they were
//! made with.

mod figures;
pub mod folder;
mod markdown;
mod page;
pub mod plan;
pub mod results;
mod tables;

pub use markdown::markdown;
pub use page::page;
use results::Results;

/// Head of the page.
fn title(results: &Results) -> String {
    format!("{} with few labels: the report's experiment", results.data.name)
}

/// What the reader looks at: data, size, machines.
fn lead(results: &Results) -> String {
    let mut machines: Vec<String> = Vec::new();
    let mut programs: Vec<&str> = Vec::new();
    for r in &results.runs {
        if let Some(program) = r.record.program.as_deref().filter(|p| !programs.contains(p)) {
            programs.push(program);
        }
        let s = &r.record.summary;
        let machine = format!("{} ({}, {})", s.adapter, s.backend, s.driver);
        if !machines.contains(&machine) {
            machines.push(machine);
        }
    }
    let mut by = String::new();
    if !programs.is_empty() {
        by += &format!(", trained with {}", programs.join(", "));
    }
    if !machines.is_empty() {
        by += &format!(", on {}", machines.join("; "));
    }
    let short = if results.quick {
        " This is the short version: its numbers show that everything works, no more."
    } else {
        ""
    };
    format!(
        "Supervised baselines and semi-supervised GANs (Salimans et al. 2016) on {}, {} training and {} test images. {} \
         of {} runs are finished{by}. Accuracies are shares of the test images; mean ± standard deviation over \
         label seeds, each of which is the seed of everything else in its run too. The report that our numbers stand beside is \
         a student's: \"Projet Deep Learning: Salimans 16\", January 2021.{short}",
        results.data.name,
        results.data.train.images,
        results.data.test.images,
        results.runs.len(),
        results.planned,
    )
}

#[cfg(test)]
mod tests;
