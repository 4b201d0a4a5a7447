"""What kinds of file there are."""

GRADE_REPORT = "grade_report"
GRADE_REPORT_ERRORS = "grade_report_err"
PROFILE_REPORT = "student_profile_info"
EMAIL_OPT_IN = "email_opt_in"
OPT_OUTS = "unsubscribed"
PACKED = "packed"
OTHER = "other"
