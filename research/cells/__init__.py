"""Recurrent cells by name. A module of yours registers a cell by `CELLS["mine"] = Mine`."""

from research.cells.cell import Cell
from research.cells.gru import GRU
from research.cells.indrnn import IndRNN
from research.cells.ligru import LiGRU
from research.cells.lru import LRU
from research.cells.lstm import LSTM
from research.cells.mgu import MGU
from research.cells.mingru import MinGRU
from research.cells.minlstm import MinLSTM
from research.cells.rnn import RNN
from research.cells.slstm import SLSTM
from research.cells.sru import SRU
from research.cells.ugrnn import UGRNN

CELLS: dict[str, type[Cell]] = {
    "rnn": RNN,
    "lstm": LSTM,
    "gru": GRU,
    "mgu": MGU,
    "ugrnn": UGRNN,
    "ligru": LiGRU,
    "indrnn": IndRNN,
    "sru": SRU,
    "slstm": SLSTM,
    "mingru": MinGRU,
    "minlstm": MinLSTM,
    "lru": LRU,
}
