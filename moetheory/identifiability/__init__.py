"""What a sample can tell about the parameters: information, rank and cone tests, profiles, projections, exact fibres."""

from moetheory.identifiability.cone import cone_test as cone_test
from moetheory.identifiability.definitions import strongly_identifiable as strongly_identifiable
from moetheory.identifiability.definitions import weakly_identifiable as weakly_identifiable
from moetheory.identifiability.fisher import CramerRao as CramerRao
from moetheory.identifiability.fisher import SingularInformationWarning as SingularInformationWarning
from moetheory.identifiability.fisher import cramer_rao as cramer_rao
from moetheory.identifiability.fisher import fisher_information as fisher_information
from moetheory.identifiability.polynomial import solvability_order as solvability_order
from moetheory.identifiability.polynomial import witness as witness
from moetheory.identifiability.profile import profile_check as profile_check
from moetheory.identifiability.projection import Projection as Projection
from moetheory.identifiability.projection import project as project
from moetheory.identifiability.rank import rank_test as rank_test
from moetheory.identifiability.regression_projection import project_regression as project_regression
