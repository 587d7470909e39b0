"""What a sample can tell about the parameters: Fisher information and the Cramer-Rao bound."""

from moetheory.identifiability.fisher import CramerRao as CramerRao
from moetheory.identifiability.fisher import SingularInformationWarning as SingularInformationWarning
from moetheory.identifiability.fisher import cramer_rao as cramer_rao
from moetheory.identifiability.fisher import fisher_information as fisher_information
