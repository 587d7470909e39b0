"""How many experts: information criteria and the dendrogram of the mixing measure."""

from moetheory.selection.automatic import Selection as Selection
from moetheory.selection.automatic import select_number as select_number
from moetheory.selection.criteria import bic as bic
from moetheory.selection.criteria import classification_entropy as classification_entropy
from moetheory.selection.criteria import icl as icl
from moetheory.selection.dendrogram import Dendrogram as Dendrogram
from moetheory.selection.dendrogram import dendrogram as dendrogram
from moetheory.selection.dendrogram import dendrogram_criterion as dendrogram_criterion
