/* What this product calls itself: one place for banners, `version`, the configuration file and the logs. */
#ifndef CONF_PRODUCT_H
#define CONF_PRODUCT_H

#define PRODUCT_NAME "Postern"
#define PRODUCT_RELEASE "0.2.0"       /* ours */
#define PRODUCT_RELEASE_LEAST "0.2.0" /* of partners: CPQ-01 */
#define PRODUCT_VERSION "15.5.0"      /* the operator language we speak */
#define PRODUCT_BUILD "048"
#define PRODUCT_BUILD_DATE "2026-11-22"
#define PRODUCT_MODEL_GATEWAY "C100V"
#define PRODUCT_MODEL_MANAGER "M100V"

#endif
