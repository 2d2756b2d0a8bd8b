"""The corpora that `data fetch` prepares, by name. Add to `CORPORA` to have one of your own listed."""

from research.data.corpora import asterisk, espeak_sentences, libreoffice, stock
from research.data.corpora.cmudict import Cmudict
from research.data.corpora.corpus import Corpus
from research.data.corpora.espeak import EspeakDigits
from research.data.corpora.flite import FliteDigits
from research.data.corpora.gcin import Gcin
from research.data.corpora.mnist import Mnist5k
from research.data.corpora.tuxpaint import Tuxpaint

CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        *asterisk.CORPORA.values(),
        Cmudict(),
        EspeakDigits(),
        *espeak_sentences.CORPORA.values(),
        FliteDigits(),
        Gcin(),
        *libreoffice.CORPORA.values(),
        Mnist5k(),
        Tuxpaint(),
        *stock.CORPORA.values(),
    )
}
