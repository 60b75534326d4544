//! Every kernel against the twin.

use super::report::deviation;
use super::{Bench, Content, Form, Status};
use crate::checks::{
    ALL, Check, Checks, Extent, Finding, OF_TILINGS, Row, cooperative, not_offered, table, tilings,
};
use crate::error::Result;
use crate::gpu::Precision;

/// Shares of the report's time after which no other check is begun: without cooperative matrices, and with them.
const SHARES: (f64, f64) = (0.35, 0.45);

/// Wrong comparisons that a report lists one by one.
const LISTED: usize = 50;

/// The checks of a form, what is short first.
fn checks(form: Form, all: &[Check]) -> Vec<&Check> {
    let of = |extent: Extent| all.iter().filter(move |c| c.extent == extent);
    match form {
        Form::Full => of(Extent::Short).chain(of(Extent::Long)).collect(),
        Form::Quick => of(Extent::Short).collect(),
    }
}

pub fn kernels(bench: &Bench<'_>) -> Result<Content> {
    let gpu = bench.open(Precision::F32)?;
    let mut variants = tilings(&gpu);
    variants.truncate(bench.form.pick(variants.len(), 2));
    let missing = not_offered(&gpu);
    let mixed = gpu.summary().cooperative_side.is_some();
    let mut content = Content::of(Status::Ok, String::new());
    let at_first = Checks::new(gpu, variants).asking(|| bench.go_on(SHARES.0));
    let list = checks(bench.form, ALL);
    let result = perform(bench, &at_first, &list, "checking the kernels");
    let mut findings = at_first.findings();
    let mut kernels = at_first.kernels();
    content.ended(result)?;
    if mixed {
        let gpu = bench.open(Precision::Mixed)?;
        let mut variants = cooperative(&gpu);
        variants.truncate(bench.form.pick(variants.len(), 1));
        let rounding = Checks::new(gpu, variants).asking(|| bench.go_on(SHARES.1));
        let list = checks(bench.form, &ALL[..OF_TILINGS]);
        let result = perform(bench, &rounding, &list, "checking cooperative matrices");
        findings.extend(rounding.findings());
        kernels.extend(rounding.kernels());
        content.ended(result)?;
    }
    tell(&mut content, &findings, kernels.len(), missing);
    Ok(content)
}

fn perform(bench: &Bench<'_>, checks: &Checks<'_>, list: &[&Check], what: &str) -> Result<()> {
    bench.begin(what, list.len());
    for check in list {
        checks.perform(check)?;
        bench.piece();
    }
    Ok(())
}

fn tell(content: &mut Content, findings: &[Finding], kernels: usize, missing: Vec<(&str, String)>) {
    let rows = table(findings);
    let wrong: Vec<&Finding> = findings.iter().filter(|f| !f.is_right()).collect();
    content.at_least(Status::right(wrong.is_empty()));
    content.summary = format!(
        "{} comparisons of {kernels} variants of kernels with float64, {} wrong",
        findings.len(),
        wrong.len()
    );
    let heads = ["", "check", "variant", "compared", "deviation", "bound"];
    let row = |r: &Row| {
        let f = &r.worst;
        let numbers = [r.compared.to_string(), deviation(f.deviation), deviation(f.bound)];
        [r.verdict(), f.title(), f.variant.clone()].into_iter().chain(numbers).collect()
    };
    let mut cells: Vec<Vec<String>> = rows.iter().map(row).collect();
    for (what, _) in &missing {
        let cells_of = ["not offered", what, "", "", "", ""];
        cells.push(cells_of.map(String::from).into());
    }
    content.table("By check and variant: the comparison nearest to its bound", &heads, cells);
    let listed: Vec<&&Finding> = wrong.iter().take(LISTED).collect();
    if !listed.is_empty() {
        let row = |f: &&&Finding| {
            vec![
                f.title(),
                f.variant.clone(),
                f.case.clone(),
                f.failure.clone().unwrap_or_else(|| deviation(f.deviation)),
            ]
        };
        let rows = listed.iter().map(row).collect();
        content.table("What is wrong", &["check", "variant", "case", "found"], rows);
    }
    content.notes.extend(missing.iter().map(|(what, why)| format!("Not offered: {what}; {why}.")));
    content.data = serde_json::json!({
        "compared": findings.len(), "variants": kernels, "wrong": wrong.len(), "rows": rows, "wrong_findings": listed,
        "not_offered": missing,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One wrong comparison among many makes the section wrong, and is listed with its case.
    #[test]
    fn a_wrong_kernel_shows() {
        let finding = |check, deviation| Finding {
            family: "pooling",
            check,
            variant: "8 lanes".into(),
            case: "7 x 5".into(),
            deviation,
            bound: 1e-9,
            failure: None,
        };
        let told = |findings: &[Finding]| {
            let mut content = Content::of(Status::Ok, String::new());
            tell(&mut content, findings, 3, vec![("tiles", "no subgroups".into())]);
            content
        };
        let right = told(&[finding("average", 1e-12), finding("largest", 0.0)]);
        assert_eq!((right.status, right.sheets.len()), (Status::Ok, 1));
        assert_eq!(right.sheets[0].rows.last().unwrap()[0], "not offered");
        for deviation in [1e-8, f64::NAN] {
            let wrong = told(&[finding("average", 1e-12), finding("largest", deviation)]);
            assert_eq!(wrong.status, Status::Wrong);
            assert_eq!(wrong.sheets[0].rows[1][0], "1 wrong");
            assert_eq!(wrong.sheets[1].rows[0][2], "7 x 5");
        }
    }
}
