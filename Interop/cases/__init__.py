"""The cases of the namespace suite, one file a theme. Those that take longest come first."""

from .agentx import AgentXGroup, PatientAgentXGroup
from .bench import BenchGroup, BenchJudgementGroup
from .change import ChangeGroup
from .demo import DemoGroup
from .diagnosis import ClearGroup, DiagnosisGroup, LigGroup
from .doubts import EchoDoubtGroup
from .floods import DataFloodGroup, RegisterFloodGroup, RouterFloodGroup
from .forwarding import OverIPv4, OverIPv6
from .garbage import GarbageGroup
from .headers import HeadersGroup, StrictReversePathGroup
from .hints import EchoNonceGroup, LocatorStatusGroup
from .instances import InstancesGroup
from .lifecycle import LifecycleGroup, RefusalGroup, ReloadGroup
from .lifetimes import MapServerRestartGroup, TimeToLiveGroup
from .limits import FloodGroup, NoncesGroup
from .loads import LoadGeneratorGroup
from .management import ManagementGroup
from .management_proxies import ProxyManagementGroup
from .multihoming import LatestGroup, MergedGroup
from .negatives import NegativesGroup
from .notifications import NotificationsGroup
from .operator import OperatorGroup
from .options import DataPlaneOptionGroup
from .paths import DeadPathGroup, NarrowPathOverIPv4, NarrowPathOverIPv6
from .proxies import (NativeRoutesGroup, ProxiesOverIPv4, ProxiesOverIPv6, ProxyETRsGroup, ProxyRolesGroup,
                      ProxyTenantGroup, StaticMappingsGroup)
from .pyats import PyatsGroup
from .reachability import ReachabilityGroup
from .registration import RegistrationGroup
from .reloads import KeyRolloverGroup, ReloadEachGroup
from .resolvers import ResolversGroup
from .scan import ScanGroup
from .snmp import LargeWalkGroup, SNMPGroup
from .throughput import ThroughputGroup
from .traffic_generator import TrafficGeneratorGroup

GROUPS = [
    PatientAgentXGroup,
    TimeToLiveGroup,
    MapServerRestartGroup,
    MergedGroup,
    LatestGroup,
    EchoDoubtGroup,
    NotificationsGroup,
    EchoNonceGroup,
    LocatorStatusGroup,
    ReachabilityGroup,
    ChangeGroup,
    DeadPathGroup,
    ResolversGroup,
    ClearGroup,
    DiagnosisGroup,
    LigGroup,
    AgentXGroup,
    OperatorGroup,
    ManagementGroup,
    ProxyManagementGroup,
    SNMPGroup,
    LargeWalkGroup,
    OverIPv4,
    OverIPv6,
    NarrowPathOverIPv4,
    NarrowPathOverIPv6,
    RegistrationGroup,
    NoncesGroup,
    FloodGroup,
    LifecycleGroup,
    ReloadGroup,
    ReloadEachGroup,
    KeyRolloverGroup,
    RefusalGroup,
    ProxiesOverIPv4,
    ProxiesOverIPv6,
    ProxyRolesGroup,
    ProxyTenantGroup,
    ProxyETRsGroup,
    StaticMappingsGroup,
    NativeRoutesGroup,
    NegativesGroup,
    LoadGeneratorGroup,
    TrafficGeneratorGroup,
    HeadersGroup,
    StrictReversePathGroup,
    GarbageGroup,
    InstancesGroup,
    PyatsGroup,
    DemoGroup,
    DataPlaneOptionGroup,
    BenchJudgementGroup,
    BenchGroup,
    RegisterFloodGroup,
    RouterFloodGroup,
    DataFloodGroup,
    ScanGroup,
    ThroughputGroup,
]
