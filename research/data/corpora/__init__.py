"""The corpora that `data fetch` prepares, by name. Add to `CORPORA` to have one of your own listed."""

from research.data.corpora import asterisk, espeak_sentences, libreoffice, stock
from research.data.corpora.cmudict import Cmudict
from research.data.corpora.corpus import Corpus
from research.data.corpora.espeak import EspeakDigits
from research.data.corpora.flite import FliteDigits
from research.data.corpora.gcin import Gcin
from research.data.corpora.mnist import Mnist5k
from research.data.corpora.tuxpaint import Tuxpaint
from research.errors import UserError, suggest

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


def find(name: str, where: str = "data: ") -> tuple[Corpus, str | None]:
    """Return the corpus of a name, and the config that the name or else the corpus chooses.

    Raises:
        UserError: if there is no such corpus or config; the message starts with `where`.
    """
    name, slash, config = name.partition("/")
    if corpus := CORPORA.get(name):
        if slash and config not in corpus.configs:
            allowed = f"must be one of {', '.join(corpus.configs)}" if corpus.configs else f"{name} has none"
            raise UserError(f"{where}{name}/{config}: no such config; {allowed}")
        return corpus, config or next(iter(corpus.configs), None)
    starting = [known for known in CORPORA if known.startswith(name)]
    hint = f"did you mean {' or '.join(starting)}?" if starting else suggest(name, CORPORA)
    raise UserError(f"{where}{name}: no such corpus; {hint}")
