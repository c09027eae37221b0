//! A receipt as a page for browsers. Nothing in it runs: its own policy forbids scripts, pictures,
//! forms and whatever else could be fetched, and the evidence is data.

use semper_base::text;

use super::Page;

/// Where the evidence begins in the page.
pub(super) const BEGINS: &str = "<script type=\"application/json\" id=\"evidence\">";
/// Where it ends.
pub(super) const ENDS: &str = "</script>";

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Receipt</title>
<style>
body { font: 1rem/1.4 serif; margin: 2rem auto; max-width: 46rem; padding: 0 1rem; color: #111; background: #fff }
h2 { font-size: 1.1rem; margin: 1.5rem 0 .3rem; border-bottom: 1px solid #888 }
table { border-collapse: collapse; width: 100% }
th { font-weight: normal; text-align: start; vertical-align: top; width: 30%; color: #444; padding: .1rem .5rem .1rem 0; overflow-wrap: anywhere }
td { vertical-align: top; overflow-wrap: anywhere; white-space: pre-wrap }
</style>
</head>
<body>
";

/// Draws the page. A text that is written from right to left is shown so, by itself: it cannot turn
/// round what stands beside it.
pub(super) fn draw(page: &Page, evidence: &str) -> String {
    let mut html = HEAD.to_owned();
    html.push_str(&format!("<h1>{}</h1>\n", text::html(&page.title)));
    for part in &page.parts {
        html.push_str(&format!("<h2>{}</h2>\n<table>\n", isolated(&part.heading)));
        for (label, value) in &part.rows {
            let (label, value) = (isolated(label), isolated(value));
            html.push_str(&format!("<tr><th scope=\"row\">{label}</th><td>{value}</td></tr>\n"));
        }
        html.push_str("</table>\n");
    }
    html.push_str(&format!("{BEGINS}{evidence}{ENDS}\n</body>\n</html>\n"));
    html
}

fn isolated(text: &str) -> String {
    if text.is_ascii() {
        return text::html(text);
    }
    format!("<bdi dir=\"auto\">{}</bdi>", text::html(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::Part;

    #[test]
    fn no_text_becomes_a_part_of_the_page() {
        let hostile = "</td><script>alert('x')</script>&amp;\"";
        let rows =
            vec![(hostile.to_owned(), hostile.to_owned()), ("name".into(), "שלום <b>".into())];
        let parts = vec![Part { heading: hostile.into(), rows }];
        let page = draw(&Page { title: hostile.into(), parts }, "{}");

        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;&quot;"));
        assert!(page.contains("<td><bdi dir=\"auto\">שלום &lt;b&gt;</bdi></td>"), "{page}");
    }
}
