-- One row per record of a grade or profile report; whose record it is may be a reason not to use it.
with

grade_report_rows as (
    select * from {{ ref('stg_edx__grade_report_rows') }}
),

profile_report_rows as (
    select * from {{ ref('stg_edx__profile_report_rows') }}
),

not_learners as (
    select * from {{ ref('int_not_learners') }}
),

all_rows as (
    select
        'grade_report' as report_kind,
        file_id,
        file_name,
        reported_at,
        line,
        line_count,
        student_id,
        username,
        email,
        null as name,
        null as country,
        grade,
        enrollment_track,
        verification_status,
        certificate_eligible,
        certificate_delivered,
        certificate_type,
        enrollment_status,
        rejected_reason
    from grade_report_rows
    union all
    select
        'student_profile_info' as report_kind,
        file_id,
        file_name,
        reported_at,
        line,
        line_count,
        student_id,
        username,
        email,
        name,
        country,
        null as grade,
        null as enrollment_track,
        null as verification_status,
        null as certificate_eligible,
        null as certificate_delivered,
        null as certificate_type,
        null as enrollment_status,
        rejected_reason
    from profile_report_rows
),

final as (
    select
        all_rows.report_kind,
        all_rows.file_id,
        all_rows.file_name,
        all_rows.reported_at,
        all_rows.line,
        all_rows.line_count,
        all_rows.student_id,
        all_rows.username,
        all_rows.email,
        all_rows.name,
        all_rows.country,
        all_rows.grade,
        all_rows.enrollment_track,
        all_rows.verification_status,
        all_rows.certificate_eligible,
        all_rows.certificate_delivered,
        all_rows.certificate_type,
        all_rows.enrollment_status,
        not_learners.student_id is null as is_of_learner,
        if(
            not_learners.student_id is null,
            all_rows.rejected_reason,
            'not a learner (not_learners.csv)'
        ) as rejected_reason
    from all_rows
    left join not_learners on all_rows.student_id = not_learners.student_id
)

select * from final
