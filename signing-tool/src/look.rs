//! Looking into bundles.

use std::path::Path;

use semper_base::{Report, Timestamp};
use semper_trust::describe::{self, ServiceDescription, TermsDescription};
use semper_trust::layout::Descriptor;
use semper_trust::{Layout, TrustFile, VerifiedTerms, verify};
use serde::Serialize;
use serde_json::json;

use crate::files;

#[derive(Serialize)]
struct Component {
    side: &'static str,
    digest: String,
    bytes: usize,
    imports: Vec<String>,
}

pub fn inspect(folder: &Path, as_json: bool) -> Result<(), Report> {
    let layout = files::bundle(folder)?;
    let service: Option<(Descriptor, ServiceDescription)> = described(&layout, describe::SERVICE)?;
    let terms: Option<(Descriptor, TermsDescription)> = described(&layout, describe::TERMS)?;
    let mut components = Vec::new();
    let mut faults = Vec::new();
    if let Some((_, service)) = &service {
        faults = service.flow.faults();
        for (side, digest) in [("buyer", service.buyer), ("seller", service.seller)] {
            let bytes = layout.blob(&digest)?;
            components.push(Component {
                side,
                digest: digest.to_string(),
                bytes: bytes.len(),
                imports: verify::imports(bytes)?,
            });
        }
    }
    if as_json {
        let value = json!({
            "service": service.as_ref().map(|it| json!({"digest": it.0.digest, "description": it.1})),
            "terms": terms.as_ref().map(|it| json!({"digest": it.0.digest, "description": it.1})),
            "components": components,
            "flow_faults": faults,
        });
        println!("{value:#}");
        return Ok(());
    }
    if let Some((descriptor, service)) = &service {
        println!("service  {}", descriptor.digest);
        println!(
            "         {} {} by {}: {}",
            service.name, service.version, service.author, service.summary
        );
        println!(
            "         flow: {} states, starts in “{}”",
            service.flow.states.len(),
            service.flow.start
        );
        for fault in &faults {
            println!("         FAULT: {fault}");
        }
    }
    for component in &components {
        println!("{:8} {}, {} bytes", component.side, component.digest, component.bytes);
        for import in &component.imports {
            println!("         imports {import}");
        }
    }
    if let Some((descriptor, terms)) = &terms {
        println!("terms    {}", descriptor.digest);
        println!(
            "         of {}, serial number {}, until {}",
            terms.merchant, terms.serial, terms.valid_until
        );
    }
    Ok(())
}

fn described<T>(layout: &Layout, kind: &str) -> Result<Option<(Descriptor, T)>, Report>
where
    T: Serialize + serde::de::DeserializeOwned,
{
    let Some(descriptor) = layout.artifacts(kind).next() else { return Ok(None) };
    let config = layout.manifest(descriptor)?.config;
    let value = describe::parse(kind, layout.blob(&config.digest)?)?;
    Ok(Some((descriptor.clone(), value)))
}

pub fn verify(folder: &Path, trust: &Path, as_json: bool) -> Result<(), Report> {
    let layout = files::bundle(folder)?;
    let base = trust.parent().unwrap_or(Path::new("."));
    let trust = TrustFile::parse(&files::text(trust)?, |name| {
        std::fs::read_to_string(base.join(name)).map_err(|error| error.to_string())
    })?;
    let terms = VerifiedTerms::verify(&layout, &trust, None, Timestamp::now())?;
    let grants = terms.grants();
    if as_json {
        let value = json!({
            "terms": terms.digest(),
            "merchant": terms.merchant().name,
            "author": terms.author().name,
            "certified_by": terms.certified_by(),
            "grants": grants,
        });
        println!("{value:#}");
        return Ok(());
    }
    println!("terms         {}", terms.digest());
    println!("signed by     {} (vouched for by {})", terms.merchant().name, terms.merchant().root);
    println!("written by    {}", terms.author().name);
    for counted in terms.certificates() {
        let verdict = counted
            .objection
            .as_ref()
            .map_or("counts".into(), |why| format!("does not count: {why}"));
        println!("certified by  {} ({verdict})", counted.certificate.organisation);
    }
    let names: Vec<&str> = grants.capabilities.iter().map(|it| it.name()).collect();
    println!("may           {}", names.join(", "));
    println!(
        "may pay       {}",
        grants.most.map_or("nothing".into(), |most| format!("up to {most}"))
    );
    Ok(())
}
