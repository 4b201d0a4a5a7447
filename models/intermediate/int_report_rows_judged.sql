-- One row per record of a grade or profile report, with the one reason why it is not used (NULL: it is).
with

report_rows as (
    select * from {{ ref('int_report_rows') }}
),

repeated_rows as (
    select * from {{ ref('int_report_rows_repeated') }}
),

final as (
    select
        report_rows.report_kind,
        report_rows.file_id,
        report_rows.file_name,
        report_rows.reported_at,
        report_rows.line,
        report_rows.line_count,
        report_rows.student_id,
        report_rows.username,
        report_rows.email,
        report_rows.name,
        report_rows.country,
        report_rows.grade,
        report_rows.enrollment_track,
        report_rows.verification_status,
        report_rows.certificate_eligible,
        report_rows.certificate_delivered,
        report_rows.certificate_type,
        report_rows.enrollment_status,
        report_rows.is_of_learner,
        report_rows.rejected_reason is null and repeated_rows.file_id is null as is_usable,
        coalesce(
            report_rows.rejected_reason,
            'line ' || repeated_rows.last_line || ' has the same learner, and the last line counts'
        ) as rejected_reason
    from report_rows
    left join repeated_rows
        on
            report_rows.file_id = repeated_rows.file_id
            and report_rows.student_id = repeated_rows.student_id
            and report_rows.line < repeated_rows.last_line
)

select * from final
