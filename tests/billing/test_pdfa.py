"""
What ISO 19005-3 (PDF/A-3, level B) asks of a document, as far as it can be read from its objects.
"""

import io
import re
from collections.abc import Iterator
from typing import Any, cast

import pypdf
import pytest
from lxml import etree
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

from billing.documents import invoice_pdf
from tests.billing.test_einvoice_samples import S, _contract, _credited, _issued

pytestmark = pytest.mark.django_db

# Actions and media that may not be there (6.5.1, 6.6.1), and filters that may not (6.1.7.2).
FORBIDDEN = {"/JavaScript", "/Launch", "/Sound", "/Movie", "/ResetForm", "/ImportData", "/SetState",
             "/Hide", "/Rendition", "/Trans", "/GoTo3DView"}  # fmt: skip
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
PDFA = "{http://www.aiim.org/pdfa/ns/id/}"
DESCRIBED = "{http://www.aiim.org/pdfa/ns/schema#}namespaceURI"


def _objects(node: Any, seen: set[tuple[int, int]]) -> Iterator[DictionaryObject]:
    """
    Return every dictionary that can be reached, each once.
    """
    if isinstance(node, IndirectObject):
        if (node.idnum, node.generation) in seen:
            return
        seen.add((node.idnum, node.generation))
        node = node.get_object()
    if isinstance(node, DictionaryObject):
        yield node
        for value in node.values():
            yield from _objects(value, seen)
    elif isinstance(node, ArrayObject):
        for value in node:
            yield from _objects(value, seen)


def _value(root: etree._Element, name: str) -> str:
    """
    Return a property of the metadata, written as an element or as an attribute.
    """
    for described in root.iter(f"{RDF}Description"):
        if name in described.attrib:
            return str(described.attrib[name])
    found = root.find(f".//{name}")
    assert found is not None
    return str(etree.tostring(found, method="text", encoding="unicode")).strip()


@pytest.mark.parametrize("language", ["en-gb", "de", "fr"])
def test_documents_are_pdf_a_3_in_every_language(language: str):
    first = _issued(_contract(S, None, language=language))

    for document in (first, _credited(first)):
        drawn = invoice_pdf(invoice=document)
        pdf = pypdf.PdfReader(io.BytesIO(drawn), strict=True)
        root = pdf.root_object

        # 6.1.2 and 6.1.3: the header and its comment of high bytes; an ID and no encryption.
        assert re.match(rb"%PDF-1\.[4-7]\n%[\x80-\xff]{4}", drawn)
        assert len(cast(Any, pdf.trailer["/ID"])) == 2
        assert "/Encrypt" not in pdf.trailer
        found = list(_objects(pdf.trailer["/Root"], set()))
        _colours_and_fonts(root, found)
        _nothing_that_acts(root, found)
        _attachment(root)
        _metadata(pdf)


def _colours_and_fonts(root: DictionaryObject, found: list[DictionaryObject]) -> None:
    [intent] = cast(Any, root["/OutputIntents"])
    intent = intent.get_object()
    assert intent["/S"] == "/GTS_PDFA1"
    profile = intent["/DestOutputProfile"]
    assert profile["/N"] == 3
    assert profile.get_data()[36:40] == b"acsp"
    described = [one for one in found if one.get("/Type") == "/FontDescriptor"]
    assert described
    assert all({"/FontFile", "/FontFile2", "/FontFile3"} & one.keys() for one in described)
    fonts = [one for one in found if one.get("/Type") == "/Font" and "/DescendantFonts" not in one]
    assert all("/FontDescriptor" in one for one in fonts)
    assert all("/ToUnicode" in one for one in found if one.get("/Subtype") == "/Type0")


def _nothing_that_acts(root: DictionaryObject, found: list[DictionaryObject]) -> None:
    assert not [one["/S"] for one in found if one.get("/S") in FORBIDDEN]
    assert not [one for one in found if {"/AA", "/OPI", "/TR", "/Alternates"} & one.keys()]
    assert not [one for one in found if one.get("/Interpolate")]
    assert "/XFA" not in cast(Any, root.get("/AcroForm", {}))
    streams = [one for one in found if isinstance(one, StreamObject)]
    assert not [one for one in streams if "/F" in one or "/LZWDecode" in str(one.get("/Filter"))]


def _attachment(root: DictionaryObject) -> None:
    # 6.8: named, related, of a known kind and dated; both in the tree of names and in /AF.
    [attached] = cast(Any, root["/AF"])
    file = attached.get_object()
    assert (file["/F"], file["/UF"], file["/AFRelationship"]) == (
        "factur-x.xml", "factur-x.xml", "/Alternative",
    )  # fmt: skip
    stream = file["/EF"]["/F"]
    assert stream["/Subtype"] in {"/text/xml", "/application/xml"}
    assert "/ModDate" in stream["/Params"]
    names = cast(Any, root["/Names"])["/EmbeddedFiles"]["/Names"]
    assert [str(name) for name in names[::2]] == ["factur-x.xml"]


def _metadata(pdf: pypdf.PdfReader) -> None:
    metadata = pdf.xmp_metadata
    assert metadata is not None
    told = etree.fromstring(metadata.stream.get_data())
    assert (_value(told, f"{PDFA}part"), _value(told, f"{PDFA}conformance")) == ("3", "B")
    described = {node.text for node in told.iter(DESCRIBED)}
    assert "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#" in described
    # 6.6.2.3: what both tell, both tell alike.
    info = pdf.metadata
    assert info is not None
    assert info.title == _value(told, "{http://purl.org/dc/elements/1.1/}title")
