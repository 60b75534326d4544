//! An observer of one's own, which ends a run when it has stopped getting better: `cargo run --release --example early_stopping`.

use ssgan::data::digits::{self, Part};
use ssgan::data::{Dataset, Split};
use ssgan::error::Error;
use ssgan::gpu::AdapterChoice;
use ssgan::model::parse;
use ssgan::native::{self, BlockOn};
use ssgan::train::event::{Event, Observer};
use ssgan::train::settings::{Method, Settings};
use ssgan::train::{Stop, Trainer, Urgency, run};

/// Asks to stop after so many evaluations without a lower loss on the images that are held out.
struct Patience<'a> {
    stop: &'a Stop,
    left: u32,
    best: f32,
}

impl Observer for Patience<'_> {
    fn on(&mut self, event: Event<'_>) -> ssgan::Result<()> {
        if let Event::Epoch(epoch) = event {
            let loss = epoch.validation_loss.unwrap_or(f32::NAN);
            println!(
                "epoch {}: validation loss {loss:.3}, test accuracy {:.3}",
                epoch.epoch, epoch.test_accuracy
            );
            if loss < self.best {
                (self.best, self.left) = (loss, 3);
            } else {
                self.left -= 1;
            }
            if self.left == 0 {
                self.stop.ask(Urgency::AfterEvaluation);
            }
        }
        Ok(())
    }
}

fn main() -> ssgan::Result<()> {
    let part = |part: Part, count: usize| -> ssgan::Result<Split> {
        let whole = digits::generate(part)?;
        let pixels = digits::SHAPE.image.len() as usize;
        Ok(Split {
            images: whole.images[..count * pixels].to_vec().into(),
            labels: whole.labels[..count].to_vec(),
        })
    };
    let data = Dataset::new("some digits", digits::SHAPE, part(Part::Train, 1000)?, part(Part::Test, 500)?)?;
    let (text, spec) = parse::built_in("dnn").expect("comes with the program");
    let model = parse::check(&spec?, text, "dnn", data.shape)?;
    // The network alone, on 70 of the hundred labelled images; the others say when to stop.
    let settings =
        Settings { epochs: 100, evaluate_every: 1, ..Settings::defaults(Method::Supervised, false) };

    let gpu = native::open(&AdapterChoice::default())?;
    let mut trainer = Trainer::new(&gpu, &model, &settings, &data).block_on()?;
    let stop = Stop::new();
    let mut patience = Patience { stop: &stop, left: 3, best: f32::INFINITY };
    match run(&mut trainer, &mut patience, &stop, None, None).block_on() {
        Err(Error::Interrupted(_)) => {
            println!("stopped after step {} of {}", trainer.done(), trainer.steps())
        }
        done => println!("trained to the end: {} steps", done?.steps),
    }
    Ok(())
}
