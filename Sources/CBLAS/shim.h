#pragma once
#include <cblas-netlib.h>
