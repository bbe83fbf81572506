// Names for types that two of our modules have under one name: a module called like its own class (DataPlane) cannot be named in
// front of a type, so this file, which imports only one side, does it.

import DataPlane

typealias PlaneStatistics = DataPlaneStatistics
