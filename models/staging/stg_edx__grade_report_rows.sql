-- One row per record of a grade report; a record that says something impossible has a fault.
with

grade_report as (
    select * from {{ source('edx', 'grade_report') }}
),

report_files as (
    select * from {{ source('edx', 'report_files') }}
),

typed as (
    select
        file_id,
        line,
        line_count,
        student_id,
        nullif(username, '') as username,
        nullif(email, '') as email,
        grade,
        nullif(enrollment_track, '') as enrollment_track,
        nullif(verification_status, '') as verification_status,
        certificate_eligible,
        certificate_delivered,
        nullif(certificate_type, '') as certificate_type,
        nullif(enrollment_status, '') as enrollment_status
    from grade_report
),

final as (
    select
        typed.*,
        report_files.file_name,
        report_files.reported_at,
        case
            when typed.student_id is null
                then 'its student id is not an id: digits only, 18 at most'
            -- weights of more than 100 % and overrides give more than 1; 65 for 65 % would pass any course
            when typed.grade is null or typed.grade not between 0 and 2
                then 'its grade is not a number from 0 to 2'
            when typed.certificate_eligible not in ('Y', 'N')
                then 'its Certificate Eligible is neither Y nor N'
            when typed.certificate_delivered not in ('Y', 'N')
                then 'its Certificate Delivered is neither Y nor N'
        end as fault
    from typed
    inner join report_files on typed.file_id = report_files.file_id
)

select * from final
