use super::*;

fn line(name: &str, f: impl Fn(f64) -> f64, n: u32) -> Line {
    Line {
        name: name.into(),
        points: (1..=n).map(|i| (f64::from(i), f(f64::from(i)))).collect(),
        ..Line::default()
    }
}

fn panel(lines: Vec<Line>) -> Panel {
    let text = |s: &str| s.to_string();
    Panel { title: text("Losses"), x_label: text("step"), y_label: text("loss"), lines, include: vec![0.0] }
}

fn has(picture: &Picture, color: RGBColor) -> bool {
    picture.pixels.chunks_exact(3).any(|p| p == [color.0, color.1, color.2])
}

#[test]
fn lines_axes_and_text_are_drawn() {
    let noisy = |x: f64| 2.3 * (-x / 300.0).exp() + 0.1 * (x * 12.9898).sin();
    let lines = vec![line("supervised", noisy, 1180), line("generated", |x| 0.7 - x / 4000.0, 1180)];
    let second = panel(vec![line("feature matching", |x| 0.02 / (1.0 + x / 100.0), 1180)]);
    let p = draw(&[panel(lines), second]);
    assert!(has(&p, COLORS[0]) && has(&p, COLORS[1]) && has(&p, INK));
    let empty = draw(&[panel(vec![])]);
    assert!(has(&empty, INK), "no text or axes");
    assert!(!has(&empty, COLORS[0]));
    if let Some(dir) = std::env::var_os("SSGAN_TEST_PICTURES") {
        let dir = std::path::Path::new(&dir);
        p.save(&dir.join("losses.png")).unwrap();
        let rising = |top: f64| move |x: f64| top * (1.0 - 0.6 * (-x / 2.0).exp());
        let lines = vec![line("test", rising(0.83), 10), line("test, averaged", rising(0.85), 10)];
        let epochs = Panel {
            title: "Accuracy".into(),
            x_label: "epoch".into(),
            y_label: "accuracy".into(),
            ..panel(lines)
        };
        draw(&[epochs]).save(&dir.join("accuracy.png")).unwrap();
    }
}

#[test]
fn odd_values_do_not_stop_the_drawing() {
    for points in [
        vec![(1.0, f64::NAN), (2.0, f64::INFINITY)],
        vec![(1.0, 5.0)],
        vec![(1.0, 0.0), (2.0, 0.0)],
        vec![(1.0, 1e300), (2.0, -1e300)],
        vec![(1.0, 1e-300), (2.0, 2e-300)],
    ] {
        draw(&[panel(vec![Line { name: "a".into(), points, ..Line::default() }])]);
    }
}

#[test]
fn many_points_are_averaged() {
    let l = reduced(&line("a", |x| x, 4000));
    assert_eq!(l.points.len(), MAX_POINTS);
    assert_eq!(l.points[0], (5.5, 5.5));
}

#[test]
fn ticks() {
    let texts = [0.0, -0.0, 0.25, 1.0, 150.0, 0.002, 1e-7, 2e7].map(short);
    assert_eq!(texts, ["0", "0", "0.25", "1", "150", "0.002", "1.0e-7", "2.0e7"]);
}
