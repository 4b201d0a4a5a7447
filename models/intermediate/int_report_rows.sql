-- One row per record of a grade or profile report, with the one reason why it is not used (NULL: it is).
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

repeated_rows as (
    select * from {{ ref('int_report_rows_repeated') }}
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
        fault
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
        fault
    from profile_report_rows
),

final as (
    select
        all_rows.*,
        not_learners.student_id is null as is_of_learner,
        (
            all_rows.fault is null
            and not_learners.student_id is null
            and repeated_rows.last_line is null
        ) as is_usable,
        case
            when not_learners.student_id is not null
                then 'not a learner (not_learners.csv)'
            when all_rows.fault is not null
                then all_rows.fault
            when repeated_rows.last_line is not null
                then 'line ' || repeated_rows.last_line || ' has the same learner, and the last line counts'
        end as rejected_reason
    from all_rows
    left join not_learners on all_rows.student_id = not_learners.student_id
    left join repeated_rows
        on
            all_rows.file_id = repeated_rows.file_id
            and all_rows.student_id = repeated_rows.student_id
            and all_rows.line < repeated_rows.last_line
)

select * from final
