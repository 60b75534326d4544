//! `review.html`: a contact sheet in one file that needs nothing else, to look through and to correct.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::next::{Asked, Next};
use super::sheet::{Entry, Section, Sheet, item_bytes};
use super::{Options, Summary};
use crate::app::text::{count, escape_html};
use crate::error::Result;
use crate::text::hex;

const STYLE: &str = include_str!("../../../assets/report/style.css");
const SHEET: &str = include_str!("../../../assets/label/review.css");
const SAVE: &str = include_str!("../../../assets/label/save.js");
const SCRIPT: &str = include_str!("../../../assets/label/review.js");

/// The images whose labels would help most.
const NEXT: &str = "To label next";

/// Bytes of these on a page, about, in pixels and text.
const NEXT_BYTES: usize = 4 << 20;

/// Classes that the page's list shows without being asked.
const OPEN: usize = 12;

/// The page.
///
/// # Errors
/// [`Error::Output`](crate::Error::Output) for a thumbnail that is no picture.
pub(super) fn page(sheet: &Sheet, next: &Next<'_>, options: &Options, summary: &Summary) -> Result<String> {
    let names = &options.class_names;
    let titles = names.iter().cloned().chain(["Contradicted labels".into(), "Unsure".into()]);
    let titles: Vec<String> = titles.collect();
    let mut sections = section_of_next(next, options)?;
    for (i, section) in sheet.sections.iter().enumerate() {
        sections += &section_of(i, &titles[i], section, options)?;
    }
    let choices: String =
        names.iter().map(|n| escape(n)).map(|n| format!("<option value=\"{n}\">{n}</option>")).collect();
    let (lead, contents, toolbar) =
        (lead(summary, &next.asked, options), contents(&titles, sheet, next.asked.len()), toolbar(&choices));
    let body = format!("{lead}{contents}<main>\n{sections}</main>\n{toolbar}");
    Ok(document("Labels to review", &body, SCRIPT, &body))
}

/// A page that needs no other file, and of which a browser runs this script and no other. What is marked on it is kept under
/// the hash of `kept_by`, in `data-sheet`.
pub(super) fn document(title: &str, body: &str, script: &str, kept_by: &str) -> String {
    let own = hex(&Sha256::digest(kept_by));
    // As browsers read them, from a checkout that has Windows' ends of lines too: the policy goes by their bytes.
    let (style, script) =
        (format!("{STYLE}{SHEET}").replace('\r', ""), format!("{SAVE}{script}").replace('\r', ""));
    let (style_hash, script_hash) = (policy_hash(&style), policy_hash(&script));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src {style_hash}; \
         script-src {script_hash}\">\n<title>{title}</title>\n<style>{style}</style>\n</head>\n\
         <body data-sheet=\"{own}\">\n<h1>{title}</h1>\n{body}<script>{script}</script>\n</body>\n</html>\n"
    )
}

/// What a browser's content security policy allows: this style or script and no other.
fn policy_hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

fn lead(summary: &Summary, next: &[Asked<'_>], options: &Options) -> String {
    let Summary { images, given, predicted, unsure, contradicted, other, skipped, .. } = summary;
    let mut text = format!(
        "<p>{images} images: {predicted} predicted, {unsure} unsure, {given} with a given label, of which the model contradicts \
         {contradicted}"
    );
    if *other > 0 {
        text += &format!("; {other} with a label that the model does not know, or none");
    }
    text += &if *skipped > 0 {
        format!("; {skipped} skipped (<code>skipped.csv</code>).</p>\n")
    } else {
        ".</p>\n".into()
    };
    for note in summary.labels_left_out().iter().chain(&summary.notes) {
        text += &format!("<p class=\"note\">Note: {}.</p>\n", escape(note));
    }
    let sections = if next.is_empty() { "Each section" } else { "Each section but the first" };
    let digits =
        match options.class_names.iter().any(|name| name.len() == 1 && name.as_bytes()[0].is_ascii_digit()) {
            true => "<kbd>0</kbd> to <kbd>9</kbd> the class of that name",
            false => "<kbd>1</kbd> to <kbd>9</kbd> the first nine classes",
        };
    let then = match options.trains {
        true => {
            ": put it beside <code>labels.csv</code>, and <code>ssgan train</code> on that folder learns from it"
        }
        false => "",
    };
    text + "<p>"
        + sections
        + " begins with the images that the model is least sure of. Choose one, and say whether its label is right. \
            Save writes what you marked as <code>corrections.csv</code>"
        + then
        + ".</p>\n<p class=\"keys\">Keys: arrows go from image to image; <kbd>Y</kbd> the label is right, <kbd>L</kbd>, a class, \
            <kbd>Enter</kbd> another, "
        + digits
        + ", <kbd>X</kbd> no label, <kbd>U</kbd> undo, <kbd>S</kbd> \
            save.</p>\n<noscript><p class=\"note\">Marking needs JavaScript; looking does not.</p></noscript>\n"
}

/// Links to all sections that have images.
fn contents(titles: &[String], sheet: &Sheet, next: usize) -> String {
    let sections = || sheet.sections.iter().zip(titles).enumerate().filter(|(_, (s, _))| s.all > 0);
    let links: String = sections()
        .map(|(i, (section, title))| {
            format!("<li><a href=\"#s{i}\">{}</a> {}</li>\n", escape(title), section.all)
        })
        .collect();
    let next = match next {
        0 => String::new(),
        n => format!("<li><a href=\"#next\">{NEXT}</a> {n}</li>\n"),
    };
    let open = if sections().count() <= OPEN { " open" } else { "" };
    format!(
        "<nav><details{open}><summary>Sections</summary>\n<ul class=\"contents\">\n{next}{links}</ul></details></nav>\n"
    )
}

/// The images that are asked for, which may stand in their classes' sections too.
fn section_of_next(next: &Next<'_>, options: &Options) -> Result<String> {
    let all = next.asked.len();
    if all == 0 {
        return Ok(String::new());
    }
    let shown = all.min(NEXT_BYTES / item_bytes(options.image));
    let items = next.asked[..shown].iter().map(|asked| item(&asked.candidate.entry, options));
    let items = items.collect::<Result<String>>()?;
    let why = match next.compared {
        true => "unlike those that were labelled as what they are taken for, or given no label",
        false => "that the model is least sure of",
    };
    let images = count(all as u32, "image");
    let rest = all - shown;
    let hidden = if rest > 0 { format!("; {rest} are not shown") } else { String::new() };
    Ok(format!(
        "<section id=\"next\">\n<h2>{NEXT}</h2>\n<p class=\"count\">{images} {why}, those first that most others are like{hidden}\
         </p>\n<ul class=\"sheet\">\n{items}</ul>\n</section>\n"
    ))
}

fn section_of(i: usize, title: &str, section: &Section, options: &Options) -> Result<String> {
    if section.all == 0 {
        return Ok(String::new());
    }
    let shown = section.kept.len() as u64;
    let what = match i.checked_sub(options.class_names.len()) {
        None => "predicted",
        Some(0) => "given labels that the model contradicts",
        Some(_) => "below the threshold",
    };
    let rest = section.all - shown;
    let hidden =
        if rest > 0 { format!("; the {shown} least sure are shown, {rest} are not") } else { String::new() };
    let mut text = format!(
        "<section id=\"s{i}\">\n<h2>{}</h2>\n<p class=\"count\">{} {what}{hidden}</p>\n<ul class=\"sheet\">\n",
        escape(title),
        section.all
    );
    for entry in &section.kept {
        text += &item(entry, options)?;
    }
    Ok(text + "</ul>\n</section>\n")
}

fn item(entry: &Entry, options: &Options) -> Result<String> {
    let picture = entry.picture(options.image);
    let (width, height) = (picture.width, picture.height);
    let image = STANDARD.encode(picture.encode()?);
    let path = escape(&entry.path);
    let name = escape(entry.path.rsplit('/').next().unwrap_or_default());
    let [label, second] = [entry.label, entry.second].map(|class| escape(&options.class_names[class]));
    let (sure, other) = (percent(entry.confidence), percent(entry.second_confidence));
    Ok(format!(
        "<li><button type=\"button\" class=\"item\" data-path=\"{path}\" data-label=\"{label}\" title=\"{path}\">\
         <img alt=\"{name}\" width=\"{width}\" height=\"{height}\" src=\"data:image/png;base64,{image}\">\
         <span class=\"said\">{label} <b>{sure}</b></span><span class=\"second\">{second} {other}</span>\
         <span class=\"mark\"></span></button></li>\n"
    ))
}

/// With one digit: 99.96 % is not called 100.
fn percent(p: f64) -> String {
    let tenths = (p * 1000.0).round();
    let tenths = if p < 1.0 { tenths.min(999.0) } else { tenths };
    format!("{:.1}\u{a0}%", tenths / 10.0)
}

fn toolbar(choices: &str) -> String {
    format!(
        "<div id=\"bar\" role=\"toolbar\" aria-label=\"Mark the image\">\n\
         <button type=\"button\" id=\"right\">Right</button>\n\
         <select id=\"class\" aria-label=\"Another class\"><option value=\"\" disabled selected>Change</option>{choices}</select>\n\
         <button type=\"button\" id=\"none\">No label</button>\n<button type=\"button\" id=\"undo\">Undo</button>\n\
         <button type=\"button\" id=\"save\">Save <span id=\"marks\">0</span></button>\n<p id=\"warning\" role=\"alert\"></p>\n<output id=\"said\"></output>\n</div>\n"
    )
}

/// Text in HTML and in attributes in double quotes, where a carriage return would become a line feed.
pub(super) fn escape(text: &str) -> String {
    escape_html(text).replace('\r', "&#13;").replace('\n', "&#10;")
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
