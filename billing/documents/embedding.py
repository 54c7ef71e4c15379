"""
The metadata by which programs find the electronic invoice in a PDF (Factur-X).

Typst writes a PDF/A-3 with the XML attached; what it cannot say is that the attachment is a
Factur-X invoice. That is added to its own metadata as an incremental update (ISO 32000-1, 7.5.6),
which leaves every byte before it as it was.
"""

from __future__ import annotations

import io
import re

import pypdf
from pypdf.generic import IndirectObject, StreamObject

FILE_NAME = "factur-x.xml"
_PROPERTIES = {
    "DocumentFileName": "The name of the embedded XML document",
    "DocumentType": "The type of the hybrid document in capital letters, e.g. INVOICE or ORDER",
    "Version": "The actual version of the standard applying to the embedded XML document",
    "ConformanceLevel": "The conformance level of the embedded XML document",
}
# PDF/A wants each property described that it does not know itself.
_SCHEMA = (
    '<rdf:li rdf:parseType="Resource">'
    "<pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>"
    "<pdfaSchema:namespaceURI>urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
    "</pdfaSchema:namespaceURI><pdfaSchema:prefix>fx</pdfaSchema:prefix>"
    "<pdfaSchema:property><rdf:Seq>"
    + "".join(
        f'<rdf:li rdf:parseType="Resource"><pdfaProperty:name>{name}</pdfaProperty:name>'
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        "<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>{meaning}</pdfaProperty:description></rdf:li>"
        for name, meaning in _PROPERTIES.items()
    )
    + "</rdf:Seq></pdfaSchema:property></rdf:li>"
).encode()
_SAID = (
    '<rdf:Description rdf:about=""'
    ' xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#">'
    f"<fx:DocumentType>INVOICE</fx:DocumentType><fx:DocumentFileName>{FILE_NAME}"
    "</fx:DocumentFileName><fx:Version>1.0</fx:Version>"
    "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel></rdf:Description>"
).encode()
_SCHEMAS, _END = b"<pdfaExtension:schemas><rdf:Bag>", b"</rdf:RDF>"
_TRAILER = re.compile(rb"trailer\n<<(.*)>>\nstartxref\n(\d+)\n%%EOF\s*$", re.DOTALL)


def named_as_factur_x(pdf: bytes) -> bytes:
    """
    Return a PDF of Typst, with the XML attached, whose metadata say what the attachment is.

    :raises ValueError: if the PDF is not laid out as Typst does it
    """
    trailer = _TRAILER.search(pdf)
    root = pypdf.PdfReader(io.BytesIO(pdf)).root_object
    found = root.raw_get("/Metadata")
    metadata = root["/Metadata"]
    xmp = metadata.get_data() if isinstance(metadata, StreamObject) else b""
    if (
        not isinstance(found, IndirectObject)
        or trailer is None
        or _SCHEMAS not in xmp
        or _END not in xmp
    ):
        raise ValueError("The PDF has no metadata that could be added to.")
    xmp = xmp.replace(_SCHEMAS, _SCHEMAS + _SCHEMA, 1).replace(_END, _SAID + _END, 1)
    entries, before = trailer.groups()
    start = len(pdf) + 1
    changed = (
        b"\n%d %d obj\n<</Type/Metadata/Subtype/XML/Length %d>>\nstream\n%s\nendstream\nendobj\n"
        % (found.idnum, found.generation, len(xmp), xmp)
    )
    return pdf + changed + (
        b"xref\n%d 1\n%010d %05d n\r\ntrailer\n<<%s/Prev %s>>\nstartxref\n%d\n%%%%EOF\n"
        % (found.idnum, start, found.generation, entries, before, len(pdf) + len(changed))
    )  # fmt: skip
