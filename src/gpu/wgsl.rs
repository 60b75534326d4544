//! The WGSL sources and the small preprocessor that turns one file and a set of definitions into a
//! kernel variant. WGSL has no unrolling hint and no modules; drivers want unrolled text and we want
//! shared functions, so a source may use:
//!
//! ```text
//! #include "common/philox.wgsl"
//! #define TILE 8 * ROWS          an integer expression, the word a name stands for, or "quoted text"
//! #if BIAS && ACT != 0 ... #else ... #endif
//! #for r in 0..ROWS ... #endfor  repeats the text
//! ${r * 4 + 1}                   the value of an expression, or the word a name stands for
//! ```

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Every shader source, those of `common` first: path under `shaders/` and text. The build script lists the files.
pub const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// Definitions that select a variant: integers and words, by name.
pub type Defines = BTreeMap<String, String>;

/// Builds [`Defines`] from name/value pairs.
pub fn defines<const N: usize>(pairs: [(&str, &dyn std::fmt::Display); N]) -> Defines {
    pairs.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

/// SHA-256 of all sources: the identity of the shaders in a run's record.
pub fn shader_hash() -> String {
    let mut h = Sha256::new();
    for (name, text) in SOURCES {
        h.update(name.as_bytes());
        h.update([0]);
        h.update(text.as_bytes());
        h.update([0]);
    }
    crate::text::hex(&h.finalize())
}

/// The text of a source file.
pub fn source(name: &str) -> Option<&'static str> {
    SOURCES.iter().find(|(n, _)| *n == name).map(|(_, t)| *t)
}

/// Expands `shaders/{kernel}.wgsl` with `defines`.
///
/// # Errors
/// [`Error::Gpu`] for an unknown file, a directive without its end, or an expression that does not parse.
pub fn expand(kernel: &str, defines: &Defines) -> Result<String> {
    let file = format!("{kernel}.wgsl");
    let mut pp = Preprocessor { vars: defines.clone(), included: Vec::new(), out: String::new() };
    pp.file(&file)?;
    Ok(pp.out)
}

struct Preprocessor {
    vars: Defines,
    included: Vec<String>,
    out: String,
}

impl Preprocessor {
    fn file(&mut self, name: &str) -> Result<()> {
        if self.included.iter().any(|n| n == name) {
            return Ok(());
        }
        self.included.push(name.to_string());
        let text = source(name).ok_or_else(|| Error::Gpu(format!("no shader source {name}")))?;
        let lines: Vec<&str> = text.lines().collect();
        self.lines(&lines).map_err(|e| Error::Gpu(format!("shader {name}: {e}")))
    }

    fn lines(&mut self, lines: &[&str]) -> std::result::Result<(), String> {
        let mut i = 0;
        while i < lines.len() {
            let t = lines[i].trim_start();
            if let Some(rest) = t.strip_prefix("#include ") {
                self.file(rest.trim().trim_matches('"')).map_err(|e| e.to_string())?;
            } else if let Some(rest) = t.strip_prefix("#define ") {
                let (name, value) = rest.trim().split_once(' ').ok_or("#define needs a value")?;
                let value = self.value(value.trim())?;
                self.vars.insert(name.to_string(), value);
            } else if let Some(cond) = t.strip_prefix("#if ") {
                let (otherwise, end) = matching(lines, i, "#if ", "#endif", Some("#else"))?;
                let taken = match (self.integer(cond)? != 0, otherwise) {
                    (true, e) => &lines[i + 1..e.unwrap_or(end)],
                    (false, Some(e)) => &lines[e + 1..end],
                    (false, None) => &[],
                };
                self.lines(taken)?;
                i = end;
            } else if let Some(head) = t.strip_prefix("#for ") {
                let (_, end) = matching(lines, i, "#for ", "#endfor", None)?;
                let (var, range) = head.split_once(" in ").ok_or("#for needs `name in a..b`")?;
                let (from, to) = range.split_once("..").ok_or("#for needs a range a..b")?;
                let (from, to) = (self.integer(from)?, self.integer(to)?);
                let outer = self.vars.get(var).cloned();
                for k in from..to {
                    self.vars.insert(var.to_string(), k.to_string());
                    self.lines(&lines[i + 1..end])?;
                }
                match outer {
                    Some(v) => self.vars.insert(var.to_string(), v),
                    None => self.vars.remove(var),
                };
                i = end;
            } else if t.starts_with('#') {
                return Err(format!("unknown directive `{t}`"));
            } else {
                let line = self.substitute(lines[i])?;
                self.out.push_str(&line);
                self.out.push('\n');
            }
            i += 1;
        }
        Ok(())
    }

    fn substitute(&self, line: &str) -> std::result::Result<String, String> {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(at) = rest.find("${") {
            out.push_str(&rest[..at]);
            let end = rest[at..].find('}').ok_or_else(|| format!("`${{` without `}}` in `{line}`"))? + at;
            out.push_str(&self.value(rest[at + 2..end].trim())?);
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Quoted text, the word a lone name stands for, else the value of an integer expression.
    fn value(&self, text: &str) -> std::result::Result<String, String> {
        let quoted = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        match quoted.map(str::to_string).or_else(|| self.vars.get(text).cloned()) {
            Some(v) => Ok(v),
            None => Ok(self.integer(text)?.to_string()),
        }
    }

    fn integer(&self, text: &str) -> std::result::Result<i64, String> {
        let tokens = tokenize(text)?;
        let mut p = Expr { tokens: &tokens, at: 0, vars: &self.vars };
        let v = p.binary(0)?;
        if p.at < tokens.len() {
            return Err(format!("cannot read the expression `{text}`"));
        }
        Ok(v)
    }
}

/// Index of the directive that ends the block starting at `start`, and of its `#else`.
fn matching(
    lines: &[&str],
    start: usize,
    open: &str,
    close: &str,
    middle: Option<&str>,
) -> std::result::Result<(Option<usize>, usize), String> {
    let (mut depth, mut other) = (0, None);
    for (i, line) in lines.iter().enumerate().skip(start) {
        let t = line.trim_start();
        if t.starts_with(open) {
            depth += 1;
        } else if t.trim_end() == close {
            depth -= 1;
            if depth == 0 {
                return Ok((other, i));
            }
        } else if depth == 1 && middle == Some(t.trim_end()) {
            other = Some(i);
        }
    }
    Err(format!("`{}` without `{close}`", lines[start].trim()))
}

fn tokenize(text: &str) -> std::result::Result<Vec<String>, String> {
    let c: Vec<char> = text.chars().collect();
    let (mut out, mut i) = (Vec::new(), 0);
    while i < c.len() {
        let start = i;
        if c[i].is_whitespace() {
            i += 1;
            continue;
        }
        if c[i].is_ascii_alphanumeric() || c[i] == '_' {
            while i < c.len() && (c[i].is_ascii_alphanumeric() || c[i] == '_') {
                i += 1;
            }
        } else {
            let two: String = c[i..(i + 2).min(c.len())].iter().collect();
            i += if ["==", "!=", "<=", ">=", "&&", "||"].contains(&two.as_str()) { 2 } else { 1 };
        }
        out.push(c[start..i].iter().collect());
    }
    if out.is_empty() { Err("empty expression".into()) } else { Ok(out) }
}

struct Expr<'a> {
    tokens: &'a [String],
    at: usize,
    vars: &'a Defines,
}

impl Expr<'_> {
    fn binary(&mut self, level: usize) -> std::result::Result<i64, String> {
        const LEVELS: [&[&str]; 5] =
            [&["||"], &["&&"], &["==", "!=", "<", ">", "<=", ">="], &["+", "-"], &["*", "/", "%"]];
        let Some(ops) = LEVELS.get(level) else { return self.unary() };
        let mut a = self.binary(level + 1)?;
        while let Some(op) = self.tokens.get(self.at).filter(|t| ops.contains(&t.as_str())) {
            self.at += 1;
            let b = self.binary(level + 1)?;
            a = match op.as_str() {
                "||" => i64::from(a != 0 || b != 0),
                "&&" => i64::from(a != 0 && b != 0),
                "==" => i64::from(a == b),
                "!=" => i64::from(a != b),
                "<" => i64::from(a < b),
                ">" => i64::from(a > b),
                "<=" => i64::from(a <= b),
                ">=" => i64::from(a >= b),
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" => a.checked_div(b).ok_or("division by zero")?,
                _ => a.checked_rem(b).ok_or("division by zero")?,
            };
        }
        Ok(a)
    }

    fn unary(&mut self) -> std::result::Result<i64, String> {
        let t = self.tokens.get(self.at).ok_or("expression ends early")?;
        self.at += 1;
        match t.as_str() {
            "!" => Ok(i64::from(self.unary()? == 0)),
            "-" => Ok(-self.unary()?),
            "(" => {
                let v = self.binary(0)?;
                if self.tokens.get(self.at).map(String::as_str) != Some(")") {
                    return Err("missing `)`".into());
                }
                self.at += 1;
                Ok(v)
            }
            _ => {
                let word = self.vars.get(t).map_or(t.as_str(), String::as_str);
                word.parse().map_err(|_| format!("`{t}` is neither a number nor defined as one"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, vars: Defines) -> std::result::Result<String, String> {
        let mut pp = Preprocessor { vars, included: Vec::new(), out: String::new() };
        let lines: Vec<&str> = text.lines().collect();
        pp.lines(&lines)?;
        Ok(pp.out)
    }

    #[test]
    fn directives() {
        let d = defines([("N", &2), ("T", &"f32")]);
        let text = "#define M N * 2 + 1\n#for i in 0..N\n#if i == 0\na${i}: ${T}\n#else\nb${i * M}\n#endif\n#endfor\n";
        assert_eq!(run(text, d).unwrap(), "a0: f32\nb5\n");
    }

    #[test]
    fn mistakes_are_errors() {
        for bad in ["#if X", "#if 1\n", "#for i in 0..2", "${", "#what", "${1 +}", "${1 / 0}"] {
            assert!(run(bad, Defines::new()).is_err(), "{bad}");
        }
    }
}
