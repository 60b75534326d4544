use super::super::shape::Dims;
use super::*;

const MNIST: DataShape = DataShape { image: Dims { height: 28, width: 28, channels: 1 }, classes: 10 };

/// A model whose discriminator has these layers, the first on line 4.
fn model(layers: &str) -> String {
    format!(
        "name = \"m\"\n[discriminator]\nlayers = [\n{layers}\n]\n[generator]\nlatent = 10\nlayers = [\n\
         {{ op = \"dense\", units = \"pixels\" }},\n{{ op = \"sigmoid\" }},\n]\n"
    )
}

const GOOD: &str = r#"{ op = "flatten" },
{ op = "dense", units = 20 },
{ op = "relu", feature = true },
{ op = "dense", units = "classes" },"#;

/// Parses and checks; the line and reason of the failure.
fn failure(source: &str) -> (usize, String) {
    match parse(source, "m.toml").and_then(|spec| check(&spec, source, "m.toml", MNIST)) {
        Err(Error::Text { file, line, reason }) => {
            assert_eq!(file, "m.toml");
            (line, reason)
        }
        other => panic!("expected a text error, got {other:?}"),
    }
}

#[track_caller]
fn fails(source: &str, line: usize, words: &str) {
    let (at, reason) = failure(source);
    assert!(at == line && reason.contains(words), "line {at}: {reason} (wanted line {line}, {words:?})");
}

#[test]
fn a_good_model_is_accepted() {
    let source = model(GOOD);
    let spec = parse(&source, "m.toml").unwrap();
    assert_eq!(check(&spec, &source, "m.toml", MNIST).unwrap().discriminator.feature(), Some(2));
}

#[test]
fn mistakes_have_their_line_and_a_suggestion() {
    let good = model(GOOD);
    fails(&good.replace("\"relu\"", "\"reul\""), 6, "did you mean \"relu\"");
    fails(&good.replace("units = 20", "unit = 20"), 5, "did you mean \"units\"");
    fails(&good.replace("units = 20", "units = 20, slope = 1"), 5, "unknown key of dense \"slope\"");
    fails(&good.replace("latent", "latnet"), 10, "did you mean \"latent\"");
    fails(&good.replace("[discriminator]", "[discriminater]"), 2, "did you mean \"discriminator\"");
    fails(&good.replace("units = 20", "units = 20,\nbias = 3"), 6, "dense");
    fails(&good.replace("units = 20", "units = \"class\""), 5, "dense");
    fails(&good.replace("units = 20", "units = -20"), 5, "dense");
    fails(&good.replace(", units = 20", ""), 5, "missing field `units`");
    fails(&good.replace("feature = true", "feature = 1"), 6, "relu");
    fails(&good.replace("op = \"flatten\"", "size = 1"), 4, "missing `op`");
    fails(&good.replace("latent = 10", "latent = 1.5"), 10, "latent");
    fails(&good.replace("latent = 10", "latent = 99999999999"), 10, "latent");
    fails(&good.replace("latent = 10\n", ""), 9, "missing `latent`");
    fails(&good.replace("name = \"m\"", "name = \"../m\""), 1, "name");
    fails(&good.replace("name = \"m\"", ""), 1, "missing `name`");
    fails(&good.replace("{ op = \"flatten\" },", "{ op = \"flatten\" "), 5, "inline table");
    fails(&good.replace("{ op = \"flatten\" },", "3,"), 4, "must be a table");
}

#[test]
fn shapes_that_do_not_fit_have_the_layers_line() {
    let good = model(GOOD);
    fails(&good.replace("{ op = \"flatten\" },", "{ op = \"tanh\" },"), 5, "flatten");
    fails(&good.replace(", feature = true", ""), 3, "no feature layer");
    fails(&good.replace("\"classes\"", "11"), 3, "10 classes");
    fails(&good.replace("\"pixels\"", "3"), 11, "784");
    fails(&good.replace("units = 20", "units = 0"), 5, "at least 1");
    fails(&good.replace("\"relu\"", "\"dropout\", rate = 1.5"), 6, "within 0..1");
    fails(&good.replace("units = 20", "units = 4000000000"), 5, "at most");
}

/// Output of the first layer on a 28 x 28 image.
fn first_output(layer: &str) -> String {
    let source = model(&format!("{{ {layer} }},\n{GOOD}"));
    let spec = parse(&source, "m.toml").unwrap();
    check(&spec, &source, "m.toml", MNIST).unwrap().discriminator.layers[0].output.to_string()
}

#[test]
fn windows_of_convolutions_and_pooling() {
    // Same: ceil(28 / stride); valid: floor((28 - kernel) / stride) + 1; a number: 2 p more to go over.
    assert_eq!(first_output(r#"op = "conv2d", channels = 3, kernel = 5"#), "3x28x28");
    assert_eq!(first_output(r#"op = "conv2d", channels = 3, kernel = 5, stride = 3"#), "3x10x10");
    assert_eq!(first_output(r#"op = "conv2d", channels = 3, kernel = 5, padding = "valid""#), "3x24x24");
    // Pooling: not padded, as far on as it is wide.
    assert_eq!(first_output(r#"op = "max_pool2d", kernel = 3"#), "1x9x9");
    assert_eq!(first_output(r#"op = "avg_pool2d", kernel = 3, stride = 2, padding = 1"#), "1x14x14");
    assert_eq!(first_output(r#"op = "max_pool2d", kernel = 3, stride = 2, padding = "same""#), "1x14x14");
    let pool = |rest: &str| model(&format!("{{ op = \"max_pool2d\", {rest} }},\n{GOOD}"));
    fails(&pool("kernel = 29"), 4, "larger than the padded input");
    fails(&pool("kernel = 2, stride = 0"), 4, "at least 1");
    fails(&pool("kernel = 2, padding = 2"), 4, "smaller than kernel");
    fails(&pool("channels = 2, kernel = 2"), 4, "unknown key of max_pool2d");
    fails(&pool("stride = 2"), 4, "missing field `kernel`");
    let put = |layers: &str| model(&format!("{layers},\n{GOOD}"));
    let up = |rest: &str| put(&format!("{{ op = \"conv_transpose2d\", channels = 2, {rest} }}"));
    fails(&up("kernel = 0"), 4, "at least 1");
    fails(&up("kernel = 3, stride = 4096"), 4, "at most 64");
    fails(&up("kernel = 2, padding = 2"), 4, "smaller than kernel");
    fails(&up("kernel = 2, weight_norm = \"fixed\""), 4, "unknown key of conv_transpose2d");
    assert_eq!(first_output(r#"op = "conv_transpose2d", channels = 2, kernel = 4, stride = 2"#), "2x56x56");
    assert_eq!(first_output(r#"op = "conv_transpose2d", channels = 2, kernel = 2, stride = 3"#), "2x84x84");
    let valid = r#"op = "conv_transpose2d", channels = 2, kernel = 5, stride = 2, padding = "valid""#;
    assert_eq!(first_output(valid), "2x59x59");
    let one = r#"op = "conv_transpose2d", channels = 2, kernel = 5, stride = 2, padding = 1"#;
    assert_eq!(first_output(one), "2x57x57");
    fails(
        &put(
            "{ op = \"global_avg_pool\" },\n{ op = \"unflatten\", height = 1, width = 1 },\n{ op = \"conv_transpose2d\", channels = 2, kernel = 2, padding = 1 }",
        ),
        6,
        "nothing is left",
    );
    let near = |kernels: &str| {
        put(&format!("{{ op = \"flatten\" }},\n{{ op = \"minibatch_discrimination\", kernels = {kernels} }}"))
    };
    fails(&near("4294967295"), 5, "1 to 65536");
    fails(&near("0"), 5, "1 to 65536");
    let fold = |h: u32, w: u32| put(&format!("{{ op = \"unflatten\", height = {h}, width = {w} }}"));
    fails(&fold(0, 2), 4, "at least 1");
    fails(&fold(5, 3), 4, "784 values");
    fails(&fold(65536, 65536), 4, "784 values");
    let shift = |pixels: &str| model(&format!("{{ op = \"random_shift\", pixels = {pixels} }},\n{GOOD}"));
    fails(&shift("28"), 4, "less than the sides");
    fails(&shift("65"), 4, "at most 64");
    fails(&shift("-1"), 4, "random_shift");
    let affine = |settings: &str| model(&format!("{{ op = \"random_affine\", {settings} }},\n{GOOD}"));
    fails(&affine("shift = 28"), 4, "less than the sides");
    fails(&affine("shift = -0.5"), 4, "at least 0");
    fails(&affine("shift = nan"), 4, "at least 0");
    fails(&affine("warp = 0.5"), 4, "within 0..=0.4");
    fails(&affine("warp = -0.1"), 4, "within 0..=0.4");
}

#[test]
fn sizes_of_the_image() {
    let put = |layers: &str| model(&format!("{layers},\n{GOOD}"));
    let up = |rest: &str| {
        format!(r#"op = "conv_transpose2d", channels = "image", kernel = 5, stride = 2, {rest}"#)
    };
    let of = |image: &str, dense: &str| {
        let layers = format!(
            "{{ op = \"flatten\" }},\n{{ op = \"dense\", units = {dense} }},\n{{ op = \"unflatten\", {image} }}"
        );
        put(&layers)
    };
    let fold = |image: &str, dense: &str| {
        let source = of(image, dense);
        let spec = parse(&source, "m.toml").unwrap();
        check(&spec, &source, "m.toml", MNIST).unwrap().discriminator.layers[2].output.to_string()
    };
    assert_eq!(fold("image_stride = 4", "{ channels = 3, image_stride = 4 }"), "3x7x7");
    assert_eq!(fold("image_stride = 3", "{ channels = 2, image_stride = 3 }"), "2x10x10");
    fails(&of("image_stride = 4", "48"), 6, "no whole channels of 7x7");
    fails(&of("image_stride = 0", "49"), 6, "within 1 to 64");
    fails(&of("image_stride = 4, height = 7", "49"), 6, "image_stride alone");
    fails(&of("height = 7", "49"), 6, "height and width");
    fails(&of("image_stride = 4", "{ channels = 0, image_stride = 4 }"), 5, "at least 1");
    fails(&of("image_stride = 4", "{ channels = 3, image_stride = 65 }"), 5, "within 1 to 64");
    fails(&of("image_stride = 4", "{ channels = 4294967295, image_stride = 1 }"), 5, "too many");
    fails(&of("image_stride = 4", "{ channels = 3 }"), 5, "{ channels = C, image_stride = S }");
    // A transposed convolution ends where the convolution back makes its input.
    let strided = r#"{ op = "conv2d", channels = 3, kernel = 3, stride = 3 }"#;
    assert_eq!(first_output(&up(r#"padding = "same""#)), "1x56x56");
    let back = |rest: &str| put(&format!("{strided},\n{{ {} }}", up(rest)));
    let spec = parse(&back("image_stride = 2"), "m.toml").unwrap();
    assert!(infer(&spec, MNIST).unwrap_err().reason.contains("7x7 of the 14x14 pixels"));
    let odd = DataShape { image: Dims { height: 30, width: 39, channels: 1 }, classes: 10 };
    let strided = back("image_stride = 1").replace("stride = 2", "stride = 3");
    let spec = parse(&strided, "m.toml").unwrap();
    assert_eq!(infer(&spec, odd).unwrap().discriminator.layers[1].output, odd.image);
    fails(&back("image_stride = 2, padding = \"valid\""), 5, "padding \"same\"");
    fails(&back("image_stride = 99"), 5, "within 1 to 64");
    fails(&back("padding = \"same\"").replace("\"image\"", "\"images\""), 5, "a number or \"image\"");
}

#[test]
fn known_keys_are_the_structs_fields() {
    for name in LAYER_NAMES {
        let needed = match *name {
            "dense" => "units = 1",
            "unflatten" => "height = 2\nwidth = 2\nimage_stride = 2",
            "conv2d" => "channels = 1\nkernel = 1",
            "conv_transpose2d" => "channels = 1\nkernel = 1\nimage_stride = 2",
            "gaussian_noise" => "sigma = 1.0",
            "dropout" => "rate = 0.5",
            "random_shift" => "pixels = 2",
            "minibatch_discrimination" => "kernels = 3",
            "max_pool2d" | "avg_pool2d" => "kernel = 2\nstride = 2",
            _ => "",
        };
        let layer: LayerSpec = toml::from_str(&format!("op = \"{name}\"\n{needed}")).unwrap();
        let table = toml::Table::try_from(&layer).unwrap();
        let mut fields: Vec<&str> = table.keys().map(String::as_str).filter(|k| *k != "op").collect();
        let mut known = LayerOp::keys_of(name).to_vec();
        fields.sort_unstable();
        known.sort_unstable();
        assert_eq!(fields, known, "{name}");
    }
}

#[test]
fn hostile_text_is_an_error_not_a_panic() {
    let deep = format!("a = {}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let long = "x".repeat(text::MAX_BYTES as usize + 1);
    for source in
        [deep.as_str(), &long, "", "\0", "é = \u{feff}", "name = \"a\"\nname = \"b\"", "[", "a.b.c = 1"]
    {
        assert!(matches!(parse(source, "m.toml"), Err(Error::Text { .. })));
    }
    // Every prefix of a good file, and every file with one byte replaced.
    let good = model(GOOD);
    for n in 0..good.len() {
        let _ = parse(&good[..n], "m.toml").and_then(|spec| check(&spec, &good[..n], "m.toml", MNIST));
        for b in [b'"', b'{', b'\n', b'9', b'-'] {
            let mut bytes = good.clone().into_bytes();
            bytes[n] = b;
            let changed = String::from_utf8(bytes).unwrap();
            let _ = parse(&changed, "m.toml").and_then(|spec| check(&spec, &changed, "m.toml", MNIST));
        }
    }
}
