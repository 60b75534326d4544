//! `index.html`: tables and figures in one file that needs nothing else.

use super::figures::{self, Block, Chart};
use super::plan::{ARMS, Section};
use super::results::{Results, RunResult};
use super::tables::{QUESTION, answer, runs, sheets};
use crate::app::report::plot::{Dot, draw_dots_svg, draw_svg};
use crate::app::report::png::Picture;
use crate::app::text::{self, escape_html as escape};
use crate::error::Result;
use crate::model::parse;
use crate::model::shape::{DataShape, Dims, ModelShape, NetShape};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

const STYLE: &str = include_str!("../../../assets/report/style.css");
/// Pixels of a chart: shown at 350 on a phone, its text stays above 9.
const CHART: (u32, u32) = (520, 360);

/// The page. `data_picture` shows images of the data set.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) for a picture that cannot be read.
pub fn page(results: &Results, data_picture: &Path) -> Result<String> {
    let mut body =
        format!("<h1>{}</h1>\n<p>{}</p>\n", escape(&super::title(results)), escape(&super::lead(results)));
    body += "<h2>Tables</h2>\n";
    sheets(results).iter().for_each(|s| body += &s.html());
    let answer = answer(results);
    if !answer.is_empty() {
        body += &format!("<p><b>{QUESTION}</b> {}</p>\n", escape(&answer.join(" ")));
    }
    body += "<h2>Figures</h2>\n";
    let [height, width, channels] = results.data.image;
    let image = Dims { height, width, channels };
    let caption = format!("Figure #. Images of {}, ten of each class.", escape(&results.data.name));
    let bytes = text::bytes(data_picture, text::MAX_RECORD)?;
    body += &figure(&caption, &png(&bytes, "images of the data set"));
    body += &networks(results, DataShape { image, classes: results.data.classes })?;
    let charts = [
        ("Figure #. Accuracy of the baselines.", figures::baselines(results, false)),
        ("Figure #. Losses of the baselines.", figures::baselines(results, true)),
        ("Figure #. Test accuracy of the semi-supervised models.", figures::accuracies(results)),
        ("Figure #. Losses of the semi-supervised models.", figures::losses(results)),
    ];
    for (caption, panels) in charts {
        body += &charts_figure(caption, &panels);
    }
    for arm in ARMS.iter().filter(|arm| arm.section == Section::SemiSupervised) {
        if let Some((run, epochs)) = results.pictured(arm)? {
            body += &samples(arm.network, run, &epochs)?;
        }
    }
    let charts = figures::ablations(results);
    if !charts.is_empty() {
        let draw = |dots: &Vec<Dot>| {
            let svg =
                named(&draw_dots_svg(dots, "difference in accuracy", CHART.0), "differences in accuracy");
            format!("<div class=\"chart\">{svg}</div>\n")
        };
        let charts: String = charts.iter().map(draw).collect();
        let caption = "Figure #. One thing changed in the semi-supervised cnn: mean difference from it, raw parameters, \
                       over the label seeds that both have, and its standard error; hollow: of one label seed.";
        body += &figure(caption, &format!("<div class=\"charts\">\n{charts}</div>"));
    }
    body += "<h2>Runs</h2>\n";
    body += &runs(results).html();
    if !results.missing.is_empty() {
        body += &format!("<p>Not finished: {}.</p>\n", escape(&results.missing.join(", ")));
    }
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n{}</body>\n</html>\n",
        escape(&super::title(results)),
        numbered(&body)
    ))
}

/// Numbers the figures: of an unfinished experiment some are not there.
fn numbered(body: &str) -> String {
    let mut parts = body.split("Figure #.");
    let first = parts.next().unwrap_or_default().to_string();
    parts.zip(1..).fold(first, |text, (part, n)| text + &format!("Figure {n}.") + part)
}

fn figure(caption: &str, content: &str) -> String {
    format!("<figure>\n{content}\n<figcaption>{caption}</figcaption>\n</figure>\n")
}

fn png(bytes: &[u8], alt: &str) -> String {
    format!("<img alt=\"{alt}\" src=\"data:image/png;base64,{}\">", STANDARD.encode(bytes))
}

/// A drawing with a name for those who do not see it, to whom its texts would be loose numbers.
fn named(svg: &str, name: &str) -> String {
    svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{}\" ", escape(name)), 1)
}

fn charts_figure(caption: &str, all: &[Chart]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let charts: String = all
        .iter()
        .map(|c| {
            format!(
                "<div class=\"chart\"><h3>{}</h3>\n{}</div>\n",
                escape(&c.name),
                named(
                    &draw_svg(&c.panel, CHART),
                    &format!("{} {}", caption.trim_start_matches("Figure #. "), c.name)
                )
            )
        })
        .collect();
    let seeds = match all.iter().any(|c| c.runs > 1) {
        true => " Thick: mean over the label seeds; thin: each of them.",
        false => "",
    };
    figure(&format!("{}{seeds}", escape(caption)), &format!("<div class=\"charts\">\n{charts}</div>"))
}

/// The networks that were trained, a figure for each.
fn networks(results: &Results, data: DataShape) -> Result<String> {
    let model = |section: Section, network: &str| -> Result<Option<ModelShape>> {
        let arm = ARMS.iter().find(|arm| arm.section == section && arm.network == network);
        let runs = arm.map(|arm| results.of(arm)).unwrap_or_default();
        let Some(run) = runs.first() else { return Ok(None) };
        let text = &run.record.model_toml;
        parse::check(&parse::parse(text, "model.toml")?, text, "model.toml", data).map(Some)
    };
    let classes = data.classes;
    let softmax = format!("softmax over {classes} logits");
    let three =
        [softmax.as_str(), "D(x) = Z / (Z + 1), Z the sum of the logits' exponentials", "f(x), marked"];
    let mut html = String::new();
    let drawn = [
        (Section::Baselines, "cnn", "the supervised cnn", &three[..1]),
        (Section::Baselines, "dnn", "the supervised dnn", &three[..1]),
        (Section::SemiSupervised, "cnn", "the cnn discriminator", &three[..]),
        (Section::SemiSupervised, "dnn", "the dnn discriminator", &three[..]),
    ];
    for (section, network, name, outputs) in drawn {
        if let Some(m) = model(section, network)? {
            html += &network_figure(name, &m.discriminator, outputs);
        }
    }
    let generators = (model(Section::SemiSupervised, "cnn")?, model(Section::SemiSupervised, "dnn")?);
    if let (Some(m), _) | (None, Some(m)) = &generators {
        let name = match &generators {
            (Some(a), Some(b)) if a.generator != b.generator => "the generator of the cnn",
            _ => "the generator, the same for both discriminators",
        };
        html += &network_figure(name, &m.generator, &["an image"]);
    }
    Ok(html)
}

fn network_figure(name: &str, net: &NetShape, outputs: &[&str]) -> String {
    let block = |b: &Block| {
        let feature = if b.feature { " <b>f(x)</b>" } else { "" };
        let parameters =
            if b.parameters > 0 { format!(" · {} parameters", b.parameters) } else { String::new() };
        format!(
            "<li class=\"{}\"><span>{}{feature}</span><span>{}{parameters}</span></li>\n",
            b.kind,
            escape(&b.text),
            escape(&b.shape)
        )
    };
    let input = net.input.to_string().replace('x', "×");
    let layers: String = figures::blocks(net).iter().map(block).collect();
    let outputs: String =
        outputs.iter().map(|o| format!("<li class=\"end\"><span>{}</span></li>\n", escape(o))).collect();
    let list = format!(
        "<ol class=\"net\">\n<li class=\"end\"><span>input</span><span>{input}</span></li>\n{layers}{outputs}</ol>"
    );
    figure(&format!("Figure #. The network of {}.", escape(name)), &list)
}

/// The first images of each epoch's grid.
fn samples(network: &str, run: &RunResult, epochs: &[(u32, Picture)]) -> Result<String> {
    let mut rows = String::new();
    for (epoch, row) in epochs {
        let image = png(&row.encode()?, &format!("generated images after epoch {epoch}"));
        rows += &format!("<tr><th>{epoch}</th><td>{image}</td></tr>\n");
    }
    let caption = format!(
        "Figure #. Images generated beside the {} after each epoch, from the same latent vectors (label seed {}).",
        escape(network),
        run.label_seed()
    );
    Ok(figure(&caption, &format!("<table class=\"samples\">\n{rows}</table>")))
}
